package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/sha3"
	"slices"
)

const (
	protectedText = `{"alg":"HPKE-9-KE","enc":"A256GCM","typ":"meldeweg.sealed.v1+jwe"}`
	info          = "JOSE-HPKE rcpt\xffA256GCM\xff"
	envelopeMost  = 2 << 20
	recordMost    = 256 << 10
)

// standard opens a content key by Go's own HPKE, where this Go has it; both must agree.
var standard func(seed, ek, sealed []byte) ([]byte, error)

// sealedFor is one entry of `recipients`.
type sealedFor struct {
	kid     string
	ek, key []byte
}

// envelope is a JWE that was parsed strictly, all entries of it (§ 7).
type envelope struct {
	bound      []byte // what the content is authenticated with
	aad        []byte
	iv         []byte
	ciphertext []byte // with its tag
	recipients []sealedFor
}

func parseEnvelope(jwe string) (*envelope, error) {
	if len(jwe) > envelopeMost {
		return nil, refused("envelope-too-large")
	}
	bad := refused("envelope-malformed")
	v, err := strict(jwe, 4)
	if err != nil || !exactly(v, "aad", "ciphertext", "iv", "protected", "recipients", "tag") {
		return nil, bad
	}
	made := &envelope{bound: []byte(v.str("protected") + "." + v.str("aad"))}
	var tag []byte
	if v.str("protected") != toB64u([]byte(protectedText)) {
		return nil, bad
	}
	if made.aad, err = b64uOf(v.str("aad"), 32); err != nil {
		return nil, bad
	}
	if made.iv, err = b64uOf(v.str("iv"), 12); err != nil {
		return nil, bad
	}
	if tag, err = b64uOf(v.str("tag"), 16); err != nil {
		return nil, bad
	}
	if sealed, _ := v.get("ciphertext"); sealed.kind != text {
		return nil, bad
	}
	if made.ciphertext, err = b64u(v.str("ciphertext")); err != nil {
		return nil, bad
	}
	made.ciphertext = append(made.ciphertext, tag...)
	entries, _ := v.get("recipients")
	if entries.kind != list || len(entries.items) < 1 || len(entries.items) > 8 {
		return nil, bad
	}
	for _, entry := range entries.items {
		header, _ := entry.get("header")
		if !exactly(entry, "encrypted_key", "header") || !exactly(header, "ek", "kid") {
			return nil, bad
		}
		kid := header.str("kid")
		ek, err1 := b64uOf(header.str("ek"), 1120)
		wrapped, err2 := b64uOf(entry.str("encrypted_key"), 48)
		same := func(other sealedFor) bool { return other.kid == kid }
		if err1 != nil || err2 != nil || !kidForm.MatchString(kid) || slices.ContainsFunc(made.recipients, same) {
			return nil, bad
		}
		made.recipients = append(made.recipients, sealedFor{kid, ek, wrapped})
	}
	return made, nil
}

func (e *envelope) kids() []string {
	var kids []string
	for _, each := range e.recipients {
		kids = append(kids, each.kid)
	}
	return kids
}

// open follows the six steps of § 7.
func (e *envelope) open(mine *openKey, aad []byte) ([]byte, error) {
	if !bytes.Equal(e.aad, aad) {
		return nil, refused("envelope-aad-mismatch")
	}
	at := slices.IndexFunc(e.recipients, func(each sealedFor) bool { return each.kid == mine.kid })
	if at < 0 {
		return nil, refused("envelope-not-for-this-key")
	}
	unreadable := refused("envelope-unreadable")
	ss, err := mine.decapsulate(e.recipients[at].ek) // 1, 2
	if err != nil {
		return nil, unreadable
	}
	key, nonce := schedule(ss, []byte("HPKE\x64\x7a\x00\x11\x00\x02"), []byte(info)) // 3, 4
	cek, err := openGCM(key, nonce, e.recipients[at].key, nil)                       // 5
	if standard != nil {
		again, bad := standard(mine.seed, e.recipients[at].ek, e.recipients[at].key)
		if (bad == nil) != (err == nil) || !bytes.Equal(again, cek) {
			return nil, refused("go-disagrees")
		}
	}
	if err != nil || len(cek) != 32 {
		return nil, unreadable
	}
	plain, err := openGCM(cek, e.iv, e.ciphertext, e.bound) // 6
	if err != nil {
		return nil, unreadable
	}
	return plain, nil
}

// decapsulate is steps 1 and 2: the shared secret of the KEM.
func (k *openKey) decapsulate(ek []byte) ([]byte, error) {
	ctM, ctX := ek[:1088], ek[1088:] // 1
	ssM, err := k.m.Decapsulate(ctM)
	if err != nil {
		return nil, err
	}
	peer, err := ecdh.X25519().NewPublicKey(ctX)
	if err != nil {
		return nil, err
	}
	ssX, err := k.x.ECDH(peer) // refuses zeros
	if err != nil {
		return nil, err
	}
	label := []byte{0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c}
	ss := sha3.Sum256(slices.Concat(ssM, ssX, ctX, k.x.PublicKey().Bytes(), label)) // 2
	return ss[:], nil
}

// schedule is step 4: key and nonce of HPKE in base mode with SHAKE256, for the suite of step 3.
func schedule(ss, suite, info []byte) (key, nonce []byte) {
	s := sha3.SumSHAKE256(slices.Concat(
		lp(nil), lp(ss), []byte("HPKE-v1"), suite, lp([]byte("secret")), []byte{0, 108},
		[]byte{0}, lp(nil), lp(info),
	), 108)
	return s[:32], s[32:44]
}

func lp(s []byte) []byte { return append([]byte{byte(len(s) >> 8), byte(len(s))}, s...) }

func openGCM(key, nonce, sealed, bound []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return gcm.Open(nil, nonce, sealed, bound)
}
