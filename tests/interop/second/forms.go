package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"time"
)

// refusal is why something is not accepted; step 0 where no step of a list is concerned.
type refusal struct {
	code string
	step int
}

func (r *refusal) Error() string { return r.code }

func refused(code string) error { return &refusal{code: code} }

func is(condition bool, code string) error {
	if condition {
		return nil
	}
	return refused(code)
}

var (
	agencyForm   = regexp.MustCompile(`^[a-z0-9]{1,40}(-[a-z0-9]{1,40}){0,5}$`)
	agsForm      = regexp.MustCompile(`^[0-9]{8}$`)
	idForm       = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	instantForm  = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$`)
	codeForm     = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	kidForm      = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
	hexForm      = regexp.MustCompile(`^[0-9a-f]*$`)
	topicForm    = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)
	decimalForm  = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)
	monthForm    = regexp.MustCompile(`^2[01][0-9]{2}-[0-9]{2}-01$`)
	instantWrite = "2006-01-02T15:04:05.000Z"
)

// b64u reads base64url as § 1 wants it: one text for each string of bytes.
func b64u(text string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || toB64u(raw) != text { // Go passes over line breaks; writing it again does not
		return nil, refused("base64url-malformed")
	}
	return raw, nil
}

func toB64u(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

func b64uOf(text string, size int) ([]byte, error) {
	raw, err := b64u(text)
	if err == nil && len(raw) != size {
		err = refused("base64url-malformed")
	}
	return raw, err
}

func hash(parts ...[]byte) []byte {
	h := sha256.New()
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}

func hexHash(parts ...[]byte) string { return hex.EncodeToString(hash(parts...)) }

func isHex(text string, digits int) bool { return len(text) == digits && hexForm.MatchString(text) }

func instant(text string) (time.Time, bool) {
	at, err := time.Parse(instantWrite, text)
	return at, err == nil && at.Year() >= 2000 && at.Year() < 2200 && instantForm.MatchString(text) && at.Format(instantWrite) == text
}

func isMonth(text string) bool {
	_, err := time.Parse(time.DateOnly, text)
	return err == nil && monthForm.MatchString(text)
}

func isDay(text string) bool {
	_, err := time.Parse(time.DateOnly, text)
	return err == nil
}

// kennzeichen is the six characters for telephone and paper (§ 5).
func kennzeichen(id string) string {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	digest := hash([]byte(id))
	bits := uint64(digest[0])<<24 | uint64(digest[1])<<16 | uint64(digest[2])<<8 | uint64(digest[3])
	bits >>= 2
	said := make([]byte, 6)
	for i := range said {
		said[i] = alphabet[bits>>(25-5*i)&31]
	}
	return string(said)
}
