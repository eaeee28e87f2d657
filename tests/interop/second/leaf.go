package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

const (
	leafSize  = 96
	tileWidth = 256
)

// leaf is the 96 bytes of § 2, taken apart.
type leaf struct {
	genesis   bool
	topic     [16]byte
	offset    uint64 // of a genesis: the year
	record    []byte
	statement []byte // of a genesis: what stands for the year before
}

func u32(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

func opt(b []byte) []byte {
	if b == nil {
		return []byte{0}
	}
	return append(append([]byte{1}, u32(len(b))...), b...)
}

type header struct{ name, value []byte }

// canonical is § 1; a nil slice is null.
func canonical(key []byte, headers []header, val []byte) []byte {
	made := append([]byte("meldeweg.record.v1\n"), opt(key)...)
	made = append(made, u32(len(headers))...)
	for _, each := range headers {
		made = append(append(made, u32(len(each.name))...), each.name...)
		made = append(made, opt(each.value)...)
	}
	if val == nil {
		return append(made, 0)
	}
	return append(append(made, 1), hash(val)...)
}

// leafOf is § 2 for a record.
func leafOf(topic []byte, offset uint64, key []byte, headers []header, val []byte) []byte {
	var statements [][]byte
	for _, each := range headers {
		if string(each.name) == "statement" {
			statements = append(statements, each.value)
		}
	}
	said := make([]byte, 32)
	if len(statements) == 1 && statements[0] != nil {
		said = hash(statements[0])
	}
	made := append([]byte("MWLF\x01\x01\x00\x00"), topic...)
	made = binary.BigEndian.AppendUint64(made, offset)
	return append(append(made, hash(canonical(key, headers, val))...), said...)
}

// genesisOf is § 2 for leaf 0.
func genesisOf(origin string, year uint64, previous []byte) []byte {
	made := append([]byte("MWLF\x01\x00\x00\x00"), make([]byte, 16)...)
	made = binary.BigEndian.AppendUint64(made, year)
	return append(append(made, hash([]byte(origin))...), previous...)
}

func parseLeaf(raw []byte) (*leaf, error) {
	if len(raw) != leafSize || string(raw[:5]) != "MWLF\x01" || raw[5] > 1 || raw[6] != 0 || raw[7] != 0 {
		return nil, refused("leaf-malformed")
	}
	made := &leaf{
		genesis: raw[5] == 0, offset: binary.BigEndian.Uint64(raw[24:32]), record: raw[32:64], statement: raw[64:],
	}
	copy(made.topic[:], raw[8:24])
	if made.genesis && !bytes.Equal(made.topic[:], make([]byte, 16)) || !made.genesis && made.offset > 1<<63-1 {
		return nil, refused("leaf-malformed")
	}
	return made, nil
}

func leafHash(raw []byte) []byte         { return hash([]byte{0}, raw) }
func nodeHash(left, right []byte) []byte { return hash([]byte{1}, left, right) }

// rootOf is RFC 6962 § 2.1 by its definition, over leaf hashes (or over roots of full subtrees).
func rootOf(hashes [][]byte) []byte {
	switch len(hashes) {
	case 0:
		return hash()
	case 1:
		return hashes[0]
	}
	split := 1
	for split*2 < len(hashes) {
		split *= 2
	}
	return nodeHash(rootOf(hashes[:split]), rootOf(hashes[split:]))
}

// areHashes: 32 bytes each. Another length would let a node be split elsewhere than it was joined.
func areHashes(each ...[]byte) error {
	for _, one := range each {
		if len(one) != sha256.Size {
			return refused("proof-malformed")
		}
	}
	return nil
}

// inclusion is RFC 6962 § 2.1.1, checked by walking down from the root.
func inclusion(index, size int64, leaf []byte, proof [][]byte) ([]byte, error) {
	if index < 0 || index >= size {
		return nil, refused("proof-malformed")
	}
	if size == 1 {
		return leaf, is(len(proof) == 0, "proof-malformed")
	}
	if len(proof) == 0 {
		return nil, refused("proof-malformed")
	}
	split, last := int64(1), len(proof)-1
	for split < size-split {
		split *= 2
	}
	if index < split {
		left, err := inclusion(index, split, leaf, proof[:last])
		return nodeHash(left, proof[last]), err
	}
	right, err := inclusion(index-split, size-split, leaf, proof[:last])
	return nodeHash(proof[last], right), err
}

// consistency is RFC 6962 § 2.1.2: both roots, from the proof and from the old root where the old
// tree is whole.
func consistency(from, to int64, old []byte, proof [][]byte, whole bool) (older, newer []byte, err error) {
	bad := refused("proof-malformed")
	if from < 1 || from > to {
		return nil, nil, bad
	}
	if from == to {
		if whole {
			return old, old, is(len(proof) == 0, "proof-malformed")
		}
		if len(proof) != 1 {
			return nil, nil, bad
		}
		return proof[0], proof[0], nil
	}
	if len(proof) == 0 {
		return nil, nil, bad
	}
	split, last := int64(1), len(proof)-1
	for split < to-split {
		split *= 2
	}
	if from <= split {
		older, newer, err = consistency(from, split, old, proof[:last], whole)
		return older, nodeHash(newer, proof[last]), err
	}
	older, newer, err = consistency(from-split, to-split, old, proof[:last], false)
	return nodeHash(proof[last], older), nodeHash(proof[last], newer), err
}

// tilePath is § 4.
func tilePath(level string, number int64, width int) string {
	digits := strconv.FormatInt(number, 10)
	for len(digits)%3 != 0 {
		digits = "0" + digits
	}
	var groups []string
	for ; len(digits) > 3; digits = digits[3:] {
		groups = append(groups, "x"+digits[:3])
	}
	path := fmt.Sprintf("tile/%s/%s", level, strings.Join(append(groups, digits), "/"))
	if width < tileWidth {
		path += fmt.Sprintf(".p/%d", width)
	}
	return path
}

// bundle takes an entry bundle of exactly `width` leaves apart.
func bundle(raw []byte, width int) ([][]byte, error) {
	var leaves [][]byte
	for len(raw) > 0 {
		if len(raw) < 2 {
			return nil, refused("bundle-malformed")
		}
		size := int(binary.BigEndian.Uint16(raw))
		if len(raw) < 2+size {
			return nil, refused("bundle-malformed")
		}
		leaves = append(leaves, raw[2:2+size])
		raw = raw[2+size:]
	}
	return leaves, is(len(leaves) == width, "bundle-malformed")
}
