package main

import (
	"crypto/ed25519"
	"strings"
)

const (
	jwsMost       = 524288
	jwsHeaderMost = 4096
	statementMost = 16384
)

// jws is a signed object that was parsed strictly and not verified yet (§ 3).
type jws struct {
	kind      string // the middle of its typ
	kid       string
	size      int64 // value_size and value_sha256 of a statement
	digest    string
	payload   string
	signed    string
	signature []byte
}

// parseJWS reads a token that may be of these kinds and of no other.
func parseJWS(token string, kinds ...string) (*jws, error) {
	if len(kinds) == 0 {
		return nil, refused("jws-typ-wrong")
	}
	if len(token) > jwsMost {
		return nil, refused("jws-too-large")
	}
	bad := refused("jws-malformed")
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, bad
	}
	if len(parts[0]) > jwsHeaderMost {
		return nil, refused("jws-too-large")
	}
	head, err := b64u(parts[0])
	if err != nil {
		return nil, bad
	}
	header, err := strict(string(head), 1)
	if err != nil || header.kind != object {
		return nil, bad
	}
	names := []string{"alg", "kid", "typ"}
	if kinds[0] == "statement" {
		names = append(names, "value_sha256", "value_size")
	}
	if !exactly(header, names...) {
		return nil, bad
	}
	for _, each := range header.members {
		if each.value.kind != text && (each.value.kind != number || strings.ContainsAny(each.value.text, ".eE")) {
			return nil, bad
		}
	}
	if header.str("alg") != "EdDSA" {
		return nil, refused("jws-alg-refused")
	}
	made := &jws{kid: header.str("kid")}
	made.signed = parts[0] + "." + parts[1]
	for _, each := range kinds {
		if header.str("typ") == "meldeweg."+each+".v1+jws" {
			made.kind = each
		}
	}
	if made.kind == "" {
		return nil, refused("jws-typ-wrong")
	}
	signature, err1 := b64uOf(parts[2], 64)
	payload, err2 := b64u(parts[1])
	if err1 != nil || err2 != nil || !kidForm.MatchString(made.kid) {
		return nil, bad
	}
	made.payload, made.signature = string(payload), signature
	if made.kind == "statement" {
		size, _ := header.get("value_size")
		sum, _ := header.get("value_sha256")
		if size.kind != number || !decimalForm.MatchString(size.text) || sum.kind != text {
			return nil, bad
		}
		made.size, made.digest = header.int("value_size"), sum.text
		if !isHex(made.digest, 64) {
			return nil, refused("digest-malformed")
		}
	}
	return made, nil
}

// verify checks the signature by the key that the register gave for this kid.
func (j *jws) verify(key *signKey) error {
	if j.kid != key.kid {
		return refused("signature-key-mismatch")
	}
	return is(ed25519.Verify(key.key, []byte(j.signed), j.signature), "signature-invalid")
}
