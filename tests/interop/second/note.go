package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// verifier is a key of § 5.
type verifier struct {
	name string
	id   []byte
	key  ed25519.PublicKey
}

const (
	noteMost       = 1_000_000
	signaturesMost = 100
)

// b64 reads standard base64 strictly: exactly the text that encoding gives.
func b64(said string) ([]byte, bool) {
	raw, err := base64.StdEncoding.Strict().DecodeString(said)
	return raw, err == nil && base64.StdEncoding.EncodeToString(raw) == said
}

func isName(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.Contains(name, "+") &&
		strings.IndexFunc(name, func(c rune) bool { return c < 0x20 || unicode.IsSpace(c) }) < 0
}

func readVerifier(vkey string) (*verifier, error) {
	bad := refused("vkey-malformed")
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 || !isName(parts[0]) || !isHex(parts[1], 8) {
		return nil, bad
	}
	typed, ok := b64(parts[2])
	if !ok || len(typed) != 33 || typed[0] != 1 || !strongEdwards(typed[1:]) {
		return nil, bad
	}
	id, _ := hex.DecodeString(parts[1])
	if !bytes.Equal(id, hash([]byte(parts[0]+"\n"), typed)[:4]) {
		return nil, bad
	}
	return &verifier{parts[0], id, typed[1:]}, nil
}

// readNote returns the text, if one of these keys signed it.
func readNote(raw string, keys ...*verifier) (string, error) {
	bad := refused("note-malformed")
	if len(raw) > noteMost || !utf8.ValidString(raw) {
		return "", bad
	}
	for _, c := range raw {
		if c < 0x20 && c != '\n' {
			return "", bad
		}
	}
	split := strings.LastIndex(raw, "\n\n")
	if split < 0 || !strings.HasSuffix(raw, "\n") || split+2 == len(raw) {
		return "", bad
	}
	said := raw[:split+1]
	lines := strings.Split(strings.TrimSuffix(raw[split+2:], "\n"), "\n")
	if len(lines) > signaturesMost {
		return "", bad
	}
	type signature struct {
		name string
		blob []byte
	}
	var signatures []signature
	for _, line := range lines {
		rest, ok := strings.CutPrefix(line, "— ")
		name, encoded, two := strings.Cut(rest, " ")
		blob, exact := b64(encoded)
		if !ok || !two || !isName(name) || !exact || len(blob) < 5 {
			return "", bad
		}
		signatures = append(signatures, signature{name, blob})
	}
	signed := false
	for _, each := range signatures { // only now: a line that is none goes before a wrong one
		for _, key := range keys {
			if key.name == each.name && bytes.Equal(key.id, each.blob[:4]) {
				if !ed25519.Verify(key.key, []byte(said), each.blob[4:]) {
					return "", refused("note-signature-invalid")
				}
				signed = true
			}
		}
	}
	return said, is(signed, "note-unsigned")
}

// decimal: no sign, no leading zeros, within 63 bits.
func decimal(said string) (int64, bool) {
	n, err := strconv.ParseUint(said, 10, 64)
	return int64(n), err == nil && n <= math.MaxInt64 && decimalForm.MatchString(said)
}

type checkpoint struct {
	origin string
	size   int64
	root   []byte
}

// readCheckpoint is § 6: three lines and no extension.
func readCheckpoint(said string) (*checkpoint, error) {
	bad := refused("checkpoint-malformed")
	lines := strings.Split(said, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] == "" {
		return nil, bad
	}
	size, ok := decimal(lines[1])
	root, exact := b64(lines[2])
	if !ok || !exact || len(root) != 32 {
		return nil, bad
	}
	return &checkpoint{lines[0], size, root}, nil
}

type span struct {
	topic       string
	id          [16]byte
	first, last int64
	digest      []byte
}

type manifest struct {
	origin         string
	number         int64
	start, end     int64
	previous       []byte
	genesis        bool
	year           int64
	genesisCarries []byte
	spans          []span
}

const spansMost = 4000

// readManifest is § 7.
func readManifest(said string) (*manifest, error) {
	bad := refused("manifest-malformed")
	lines := strings.Split(said, "\n")
	if len(lines) < 6 || lines[len(lines)-1] != "" || lines[0] != "meldeweg.manifest.v1" {
		return nil, bad
	}
	made := &manifest{origin: lines[1]}
	var ok1, ok2, ok3, ok4 bool
	made.number, ok1 = decimal(lines[2])
	start, end, two := strings.Cut(lines[3], " ")
	made.start, ok2 = decimal(start)
	made.end, ok3 = decimal(end)
	made.previous, ok4 = unhex(lines[4], 32)
	if !ok1 || !ok2 || !ok3 || !ok4 || !two || made.origin == "" {
		return nil, bad
	}
	rest := lines[5 : len(lines)-1]
	entries := int64(0)
	if made.number == 0 {
		words := strings.Split(rest0(rest), " ")
		if len(words) != 3 || words[0] != "genesis" || made.start != 0 {
			return nil, bad
		}
		made.year, ok1 = decimal(words[1])
		made.genesisCarries, ok2 = unhex(words[2], 32)
		if !ok1 || !ok2 || made.year < 1000 || made.year > 9999 || !isZero(made.previous) {
			return nil, bad
		}
		made.genesis, entries, rest = true, 1, rest[1:]
	}
	if len(rest) > spansMost {
		return nil, bad
	}
	for _, line := range rest {
		words := strings.Split(line, " ")
		if len(words) != 6 || words[0] != "range" || !topicForm.MatchString(words[1]) {
			return nil, bad
		}
		each := span{topic: words[1]}
		id, ok1 := unhex(words[2], 16)
		copy(each.id[:], id)
		each.first, ok2 = decimal(words[3])
		each.last, ok3 = decimal(words[4])
		each.digest, ok4 = unhex(words[5], 32)
		if !ok1 || !ok2 || !ok3 || !ok4 || each.last <= each.first {
			return nil, bad
		}
		entries += each.last - each.first
		made.spans = append(made.spans, each)
	}
	if (made.number == 0) != (made.start == 0) {
		return nil, bad
	}
	return made, is(entries == made.end-made.start, "manifest-malformed")
}

func rest0(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return lines[0]
}

func unhex(said string, size int) ([]byte, bool) {
	raw, err := hex.DecodeString(said)
	return raw, err == nil && isHex(said, 2*size)
}
