// An independent judge of Meldeweg's audit log: the Go checksum database's own code and
// transparency-dev's proof verifier, behind one JSON question per line on standard input.
//
// It shares no code with Meldeweg. Each answer is one line: {"ok": true} or {"ok": false, "why": …}.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type question struct {
	Op                string
	Index, Size, Old  int64
	Leaf              []byte // leaf hash
	Root, OldRoot     []byte
	Proof             [][]byte
	Note              []byte
	Vkey, Origin, Dir string
}

type answer struct {
	OK   bool   `json:"ok"`
	Why  string `json:"why,omitempty"`
	Text string `json:"text,omitempty"`
	Size int64  `json:"size,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var q question
		a := answer{OK: true}
		err := json.Unmarshal(lines.Bytes(), &q)
		if err == nil {
			err = ask(q, &a)
		}
		if err != nil {
			a = answer{Why: err.Error()}
		}
		if err := out.Encode(a); err != nil {
			os.Exit(1)
		}
	}
}

func ask(q question, a *answer) error {
	switch q.Op {
	case "inclusion":
		return agree(
			tlog.CheckRecord(hashes(q.Proof), q.Size, hash(q.Root), q.Index, hash(q.Leaf)),
			proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(q.Index), uint64(q.Size), q.Leaf, q.Proof, q.Root))
	case "consistency":
		return agree(
			tlog.CheckTree(hashes(q.Proof), q.Size, hash(q.Root), q.Old, hash(q.OldRoot)),
			proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(q.Old), uint64(q.Size), q.Proof, q.OldRoot, q.Root))
	case "note":
		n, err := open(q.Note, q.Vkey)
		if err == nil {
			a.Text = n.Text
		}
		return err
	case "log":
		return checkLog(q, a)
	}
	return fmt.Errorf("unknown question %q", q.Op)
}

// agree: two implementations that share no code must say the same.
func agree(sumdb, transparencyDev error) error {
	if (sumdb == nil) != (transparencyDev == nil) {
		return fmt.Errorf("judges disagree: %v, %v", sumdb, transparencyDev)
	}
	return sumdb
}

func open(data []byte, vkey string) (*note.Note, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, err
	}
	return note.Open(data, note.VerifierList(verifier))
}

// checkLog verifies an exported directory: signature, every tile, every leaf, every older tree
// at a tile's boundary.
func checkLog(q question, a *answer) error {
	data, err := os.ReadFile(filepath.Join(q.Dir, "checkpoint"))
	if err != nil {
		return err
	}
	n, err := open(data, q.Vkey)
	if err != nil {
		return err
	}
	// C2SP's checkpoint differs from the checksum database's in its first line alone.
	rest, found := strings.CutPrefix(n.Text, q.Origin+"\n")
	if !found {
		return errors.New("another origin")
	}
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + rest))
	if err != nil {
		return err
	}
	a.Size = tree.N
	reader := tlog.TileHashReader(tree, &tiles{q.Dir})
	for at := int64(0); at < tree.N; at += 256 {
		leaves, err := bundle(q.Dir, at/256, min(256, tree.N-at))
		if err != nil {
			return err
		}
		for i, leaf := range leaves {
			p, err := tlog.ProveRecord(tree.N, at+int64(i), reader)
			if err != nil {
				return err
			}
			if err := tlog.CheckRecord(p, tree.N, tree.Hash, at+int64(i), tlog.RecordHash(leaf)); err != nil {
				return fmt.Errorf("leaf %d: %w", at+int64(i), err)
			}
		}
		if at > 0 {
			old, err := tlog.TreeHash(at, reader)
			if err != nil {
				return err
			}
			p, err := tlog.ProveTree(tree.N, at, reader)
			if err != nil {
				return err
			}
			if err := tlog.CheckTree(p, tree.N, tree.Hash, at, old); err != nil {
				return err
			}
		}
	}
	return nil
}

type tiles struct{ dir string }

func (t *tiles) Height() int                     { return 8 }
func (t *tiles) SaveTiles([]tlog.Tile, [][]byte) {}
func (t *tiles) ReadTiles(want []tlog.Tile) ([][]byte, error) {
	var got [][]byte
	for _, tile := range want {
		// The checksum database names the height in the path, C2SP leaves it out.
		data, err := os.ReadFile(filepath.Join(t.dir, strings.Replace(tile.Path(), "tile/8/", "tile/", 1)))
		if err != nil {
			return nil, err
		}
		got = append(got, data)
	}
	return got, nil
}

func bundle(dir string, index, width int64) ([][]byte, error) {
	tile := tlog.Tile{H: 8, L: -1, N: index, W: int(width)}
	data, err := os.ReadFile(filepath.Join(dir, strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)))
	if err != nil {
		return nil, err
	}
	var leaves [][]byte
	for len(data) >= 2 {
		length := int(data[0])<<8 | int(data[1])
		if len(data) < 2+length {
			return nil, errors.New("bundle cut short")
		}
		leaves, data = append(leaves, data[2:2+length]), data[2+length:]
	}
	if int64(len(leaves)) != width || len(data) != 0 {
		return nil, errors.New("bundle of another width")
	}
	return leaves, nil
}

func hash(b []byte) (h tlog.Hash) { copy(h[:], b); return }

func hashes(list [][]byte) (out []tlog.Hash) {
	for _, b := range list {
		out = append(out, hash(b))
	}
	return
}
