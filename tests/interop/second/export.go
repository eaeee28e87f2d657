package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// finding is one thing that is wrong with a log; a notice is not wrong by itself.
type finding struct {
	Step   int    `json:"step"`
	Notice bool   `json:"notice,omitempty"`
	What   string `json:"what"`
}

const vkeysMost = 64 << 10

// export is one verification of one exported log (§ 10).
type export struct {
	files    fs.FS
	keys     []*verifier
	head     *checkpoint
	leaves   []*leaf
	hashes   [][]byte
	topics   map[[16]byte]string
	lines    []line
	next     map[[16]byte]uint64
	findings []finding
	older    *export // the log of the year before (step 9); nil where it is not given
	whole    bool    // read to its end
	goesOn   bool    // from older
}

func (e *export) find(step int, what string, about ...any) {
	e.findings = append(e.findings, finding{step, false, fmt.Sprintf(what, about...)})
}

func (e *export) notice(step int, what string, about ...any) {
	e.findings = append(e.findings, finding{step, true, fmt.Sprintf(what, about...)})
}

// read returns a file of the export whole, if it has at most this many bytes.
func (e *export) read(name string, most int64) ([]byte, error) {
	file, err := e.files.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(raw)) > most {
		err = refused("too-large")
	}
	return raw, err
}

// verify takes the steps; a step that later ones stand on ends it.
func (e *export) verify(vkeys []string, seen []string) {
	defer func() {
		if e.older != nil && e.older.whole && !e.goesOn {
			e.older.numbers() // each log is judged alone
		}
	}()
	if !e.signed(vkeys) || !e.tree() {
		return
	}
	e.turn()
	if e.entries() {
		e.dense()
		e.manifests()
		e.numbers()
	}
	for _, each := range seen {
		e.extends(each)
	}
}

// signed is step 1.
func (e *export) signed(vkeys []string) bool {
	own, err := e.ownKeys()
	if err != nil {
		e.find(1, "%v", err)
		return false
	}
	if len(vkeys) == 0 {
		e.notice(1, "key-from-export")
		vkeys = own
	}
	for _, each := range own {
		if !slices.Contains(vkeys, each) {
			e.notice(1, "key-not-known")
		}
	}
	for _, each := range vkeys {
		key, err := readVerifier(each)
		if err != nil {
			e.find(1, "%v", err)
			return false
		}
		e.keys = append(e.keys, key)
	}
	raw, err := e.read("checkpoint", noteMost)
	if err != nil {
		e.find(1, "checkpoint-unreadable")
		return false
	}
	if e.head, err = e.checkpoint(string(raw)); err != nil {
		e.find(1, "%v", err)
		return false
	}
	return true
}

// ownKeys are the lines of `vkey`, which has its form whoever is believed (§ 9).
func (e *export) ownKeys() ([]string, error) {
	raw, err := e.read("vkey", vkeysMost)
	if err != nil {
		return nil, refused("vkey-unreadable")
	}
	rest, ends := strings.CutSuffix(string(raw), "\n")
	own := strings.Split(rest, "\n")
	for i, each := range own {
		if _, err := readVerifier(each); err != nil || !ends || slices.Contains(own[:i], each) {
			return nil, refused("vkey-malformed")
		}
	}
	return own, nil
}

// checkpoint reads a signed one; the key's name is the origin.
func (e *export) checkpoint(raw string) (*checkpoint, error) {
	origin, _, _ := strings.Cut(raw, "\n")
	said, err := readNote(raw, e.named(origin)...)
	if err != nil {
		return nil, err
	}
	return readCheckpoint(said)
}

func (e *export) named(origin string) []*verifier {
	var keys []*verifier
	for _, each := range e.keys {
		if each.name == origin {
			keys = append(keys, each)
		}
	}
	return keys
}

// tree is step 2.
func (e *export) tree() bool {
	ok := true
	size := e.head.size
	for at := int64(0); at < size; at += tileWidth {
		width := int(min(tileWidth, size-at))
		raw, err := e.read(tilePath("entries", at/tileWidth, width), int64(width)*(2+1<<16))
		if err != nil {
			e.find(2, "bundle-unreadable %d", at/tileWidth)
			return false
		}
		leaves, err := bundle(raw, width)
		if err != nil {
			e.find(2, "bundle-malformed %d", at/tileWidth)
			return false
		}
		for _, each := range leaves {
			made, err := parseLeaf(each)
			if err != nil {
				e.find(3, "leaf-malformed %d", len(e.leaves))
				return false
			}
			e.leaves = append(e.leaves, made)
			e.hashes = append(e.hashes, leafHash(each))
		}
	}
	row := e.hashes
	for level := 0; len(row) > 0; level++ {
		var above [][]byte
		for at := 0; at < len(row); at += tileWidth {
			part := row[at:min(at+tileWidth, len(row))]
			path := tilePath(strconv.Itoa(level), int64(at/tileWidth), len(part))
			raw, err := e.read(path, tileWidth*32)
			if err != nil || !bytes.Equal(raw, bytes.Join(part, nil)) {
				e.find(2, "tile-wrong %s", path)
				ok = false
			}
			if len(part) == tileWidth {
				above = append(above, rootOf(part))
			}
		}
		row = above
	}
	if !bytes.Equal(rootOf(e.hashes), e.head.root) {
		e.find(2, "root-wrong")
		ok = false
	}
	return ok
}

// dense is step 4.
func (e *export) dense() {
	if len(e.leaves) == 0 {
		return
	}
	e.topics, e.next = map[[16]byte]string{}, map[[16]byte]uint64{}
	if e.goesOn {
		maps.Copy(e.topics, e.older.topics)
		maps.Copy(e.next, e.older.next)
	}
	here := map[[16]byte]bool{} // topics that this log had by then
	first := e.isFirst()
	if !e.leaves[0].genesis || !bytes.Equal(e.leaves[0].record, hash([]byte(e.head.origin))) {
		e.find(4, "genesis-wrong")
	}
	for index, each := range e.leaves {
		if each.genesis {
			if index > 0 {
				e.find(4, "genesis-again %d", index)
			}
			continue
		}
		name, known := e.topics[each.topic]
		if !known {
			e.topics[each.topic] = e.lines[index].topic
		} else if name != e.lines[index].topic {
			e.find(e.stepOf(here[each.topic], 5), "topic-renamed %d", index)
		}
		want, seen := e.next[each.topic]
		if (seen || first) && each.offset != want {
			e.find(e.stepOf(here[each.topic], 4), "record-omitted %d", index)
		}
		e.next[each.topic], here[each.topic] = each.offset+1, true
	}
}

// manifests is step 5.
func (e *export) manifests() {
	file, err := e.files.Open("manifests.jsonl")
	if err != nil {
		e.find(5, "manifests-unreadable")
		return
	}
	defer file.Close()
	in := bufio.NewReaderSize(file, 1<<16)
	previous, index, last, number := make([]byte, 32), int64(0), "", int64(0)
	for ; ; number++ {
		if _, err := in.Peek(1); err == io.EOF && index == e.head.size {
			break
		}
		raw, err := readLine(in)
		if err != nil {
			e.find(5, "manifest-missing %d", number)
			return
		}
		v, err := strict(raw, 1)
		if err != nil || v.kind != text || ascii(v.text) != raw {
			e.find(5, "manifest-malformed %d", number)
			return
		}
		made, err := readManifest(v.text)
		if err != nil {
			e.find(5, "%v %d", err, number)
			return
		}
		if made.origin != e.head.origin || made.number != number || made.start != index ||
			made.end > e.head.size || !bytes.Equal(made.previous, previous) {
			e.find(5, "manifest-chain %d", number)
			return
		}
		if !e.ranges(made) {
			e.find(5, "manifest-contradicts %d", number)
			return
		}
		index, last, previous = made.end, v.text, hash([]byte(v.text))
	}
	raw, err := e.read("manifest", noteMost)
	if err != nil {
		e.find(5, "manifest-unreadable")
		return
	}
	said, err := readNote(string(raw), e.named(e.head.origin)...)
	if err != nil || said != last {
		e.find(5, "manifest-unsigned")
	}
}

// ranges compares one manifest with the leaves.
func (e *export) ranges(said *manifest) bool {
	at := said.start
	if said.genesis {
		first := e.leaves[0]
		if !first.genesis || uint64(said.year) != first.offset || !bytes.Equal(said.genesisCarries, first.statement) {
			return false
		}
		at++
	}
	for _, each := range said.spans {
		if e.topics[each.id] != each.topic {
			return false
		}
		var hashes [][]byte
		for offset := each.first; offset < each.last; offset++ {
			if at >= int64(len(e.leaves)) {
				return false
			}
			found := e.leaves[at]
			if found.genesis || found.topic != each.id || found.offset != uint64(offset) {
				return false
			}
			hashes = append(hashes, e.hashes[at])
			at++
		}
		if !bytes.Equal(hash(hashes...), each.digest) {
			return false
		}
	}
	return at == said.end
}

func (l *leaf) bytes() []byte {
	if l.genesis {
		made := genesisOf("", l.offset, l.statement)
		copy(made[32:64], l.record)
		return made
	}
	made := leafOf(l.topic[:], l.offset, nil, nil, nil)
	copy(made[32:64], l.record)
	copy(made[64:], l.statement)
	return made
}
