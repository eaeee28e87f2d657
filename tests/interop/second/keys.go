package main

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/mlkem"
	"crypto/sha3"
	"math/big"
	"slices"
)

// signKey is a public Ed25519 key with its thumbprint.
type signKey struct {
	kid string
	key ed25519.PublicKey
}

// openKey is a private key of the hybrid, expanded.
type openKey struct {
	kid  string
	seed []byte
	m    *mlkem.DecapsulationKey768
	x    *ecdh.PrivateKey
}

// thumbprintOf is RFC 7638 over the members that § 2 names.
func thumbprint(jwk value) string {
	if jwk.str("kty") == "OKP" {
		return toB64u(hash([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + jwk.str("x") + `"}`)))
	}
	return toB64u(hash([]byte(`{"alg":"HPKE-9-KE","kty":"AKP","pub":"` + jwk.str("pub") + `"}`)))
}

// publicKey reads a public JWK; exactly the members of § 2 and no weak key.
func publicKey(jwk value) (*signKey, error) {
	return key(jwk, "")
}

func key(jwk value, secret string) (*signKey, error) {
	bad := refused("key-malformed")
	want := map[string]string{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig"}
	needs := []string{"kty", "crv", "x"}
	if jwk.str("kty") == "AKP" {
		want = map[string]string{"kty": "AKP", "alg": "HPKE-9-KE", "use": "enc"}
		needs = []string{"kty", "alg", "pub"}
	}
	if secret != "" {
		needs = append(needs, secret)
	}
	allowed := append([]string{"kid", "use", "alg"}, needs...)
	if jwk.kind != object {
		return nil, bad
	}
	for _, each := range jwk.members {
		constant, fixed := want[each.name]
		if each.value.kind != text || !slices.Contains(allowed, each.name) || fixed && each.value.text != constant {
			return nil, bad
		}
	}
	for _, name := range needs {
		if _, ok := jwk.get(name); !ok {
			return nil, bad
		}
	}
	kid := thumbprint(jwk)
	if said, ok := jwk.get("kid"); ok && said.text != kid {
		return nil, bad
	}
	if jwk.str("kty") == "AKP" {
		return &signKey{kid: kid}, sealable(jwk.str("pub"))
	}
	x, err := b64uOf(jwk.str("x"), 32)
	if err != nil || !strongEdwards(x) {
		return nil, bad
	}
	return &signKey{kid, x}, nil
}

func sealable(pub string) error {
	raw, err := b64uOf(pub, 1216)
	if err != nil {
		return refused("key-malformed")
	}
	if _, err := mlkem.NewEncapsulationKey768(raw[:1184]); err != nil {
		return refused("key-malformed")
	}
	return is(strongMontgomery(raw[1184:]), "key-malformed")
}

func privateKey(jwk value) (*openKey, error) {
	if _, err := key(jwk, "priv"); err != nil {
		return nil, err
	}
	seed, err := b64uOf(jwk.str("priv"), 32)
	if err != nil {
		return nil, refused("key-malformed")
	}
	e := sha3.SumSHAKE256(seed, 96)
	m, err := mlkem.NewDecapsulationKey768(e[:64])
	if err != nil {
		return nil, err
	}
	x, err := ecdh.X25519().NewPrivateKey(e[64:])
	if err != nil {
		return nil, err
	}
	pub := append(m.EncapsulationKey().Bytes(), x.PublicKey().Bytes()...)
	return &openKey{thumbprint(jwk), seed, m, x}, is(toB64u(pub) == jwk.str("pub"), "key-malformed")
}

var (
	field = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	// d of edwards25519: -121665/121666.
	curveD = modular(new(big.Int).Mul(big.NewInt(-121665), new(big.Int).ModInverse(big.NewInt(121666), field)))
	// a scalar that RFC 7748's clamping leaves as it is: a multiple of 8.
	probe, _ = ecdh.X25519().NewPrivateKey(append(bytes.Repeat([]byte{8}, 31), 64))
)

func modular(n *big.Int) *big.Int { return new(big.Int).Mod(n, field) }

func littleEndian(raw []byte) *big.Int {
	turned := slices.Clone(raw)
	slices.Reverse(turned)
	return new(big.Int).SetBytes(turned)
}

// strongMontgomery: below the field's prime, and not of small order on the curve or its twist (then
// each multiple of 8 gives zero, which Go's ECDH refuses).
func strongMontgomery(raw []byte) bool {
	if littleEndian(raw).Cmp(field) >= 0 {
		return false
	}
	peer, err := ecdh.X25519().NewPublicKey(raw)
	if err != nil {
		return false
	}
	_, err = probe.ECDH(peer)
	return err == nil
}

type point struct{ x, y *big.Int }

// strongBefore remembers keys that passed: this arithmetic is plain, not quick.
var strongBefore = map[string]bool{}

// strongEdwards: canonical (RFC 8032 § 5.1.3), on the curve, and not of order 1, 2, 4 or 8.
func strongEdwards(raw []byte) bool {
	if strongBefore[string(raw)] {
		return true
	}
	encoded := slices.Clone(raw)
	sign := uint(encoded[31] >> 7)
	encoded[31] &= 127
	y := littleEndian(encoded)
	if y.Cmp(field) >= 0 {
		return false
	}
	yy := modular(new(big.Int).Mul(y, y))
	above := modular(new(big.Int).Sub(yy, big.NewInt(1)))
	below := modular(new(big.Int).Add(new(big.Int).Mul(curveD, yy), big.NewInt(1)))
	xx := modular(new(big.Int).Mul(above, new(big.Int).ModInverse(below, field)))
	x := new(big.Int).ModSqrt(xx, field)
	if x == nil || x.Sign() == 0 && sign == 1 {
		return false
	}
	if x.Bit(0) != sign {
		x.Sub(field, x)
	}
	p := point{x, y}
	for range 3 {
		p = p.double()
	}
	strong := p.x.Sign() != 0 || p.y.Cmp(big.NewInt(1)) != 0
	if strong {
		strongBefore[string(raw)] = true
	}
	return strong
}

// double is the addition law x' = 2xy / (1 + dx²y²), y' = (y² + x²) / (1 - dx²y²).
func (p point) double() point {
	xy := modular(new(big.Int).Mul(p.x, p.y))
	t := modular(new(big.Int).Mul(curveD, new(big.Int).Mul(xy, xy)))
	squares := new(big.Int).Add(new(big.Int).Mul(p.x, p.x), new(big.Int).Mul(p.y, p.y))
	one := big.NewInt(1)
	over := func(a, b *big.Int) *big.Int {
		return modular(new(big.Int).Mul(a, new(big.Int).ModInverse(modular(b), field)))
	}
	return point{
		over(new(big.Int).Lsh(xy, 1), new(big.Int).Add(one, t)),
		over(squares, new(big.Int).Sub(one, t)),
	}
}
