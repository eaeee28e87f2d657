package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"strings"
)

// before reads the log of the year before by itself (§ 10, step 9: steps 1 to 5 of that log). Of
// the keys given for this log those of its origin count, and its own where there is none.
func before(files fs.FS, vkeys []string) *export {
	old := &export{files: files}
	raw, _ := old.read("checkpoint", noteMost) // one that is not there is found by step 1
	origin, _, _ := strings.Cut(string(raw), "\n")
	var known []string
	for _, each := range vkeys {
		if name, _, _ := strings.Cut(each, "+"); name == origin {
			known = append(known, each)
		}
	}
	if old.signed(known) && old.tree() && old.entries() {
		old.dense()
		old.manifests()
		old.whole = true
	}
	return old
}

// turn is the first half of step 9: leaf 0 commits to the end of the year before.
func (e *export) turn() {
	old := e.older
	if old == nil || !old.whole || len(old.leaves) == 0 || len(e.leaves) == 0 {
		return // that log is no good, and says so itself
	}
	first := e.leaves[0]
	switch {
	case !first.genesis || !old.leaves[0].genesis: // found by step 4
	case !bytes.Equal(first.statement, hash([]byte(old.head.text()))):
		e.find(9, "genesis-commits-to-another")
	case first.offset != old.leaves[0].offset+1:
		e.find(9, "year-not-before")
	default:
		e.goesOn = true
	}
}

// isFirst says whether nothing was logged before what is at hand.
func (e *export) isFirst() bool {
	if e.goesOn {
		return e.older.isFirst()
	}
	return len(e.leaves) > 0 && e.leaves[0].genesis && isZero(e.leaves[0].statement)
}

// stepOf is 9 for the first entry of a topic behind the year before, else the step of one log.
func (e *export) stepOf(here bool, step int) int {
	if e.goesOn && !here {
		return 9
	}
	return step
}

// counted is what step 6 counts over: both logs as over one.
func (e *export) counted() []line {
	if !e.goesOn {
		return e.lines
	}
	return append(append([]line{}, e.older.lines...), e.lines...)
}

// extends is step 7.
func (e *export) extends(raw string) {
	if err := e.extended(raw); err != nil {
		e.find(7, "%v", err)
	}
}

func (e *export) extended(raw string) error {
	if origin, _, _ := strings.Cut(raw, "\n"); origin != e.head.origin {
		return e.ofAnother(raw, origin)
	}
	older, err := e.checkpoint(raw)
	if err != nil {
		return err
	}
	known := older.size <= e.head.size && bytes.Equal(rootOf(e.hashes[:min(older.size, e.head.size)]), older.root)
	return is(known, "fork")
}

// ofAnother is step 7 for a checkpoint of another origin: held against the year before, or leaf 0
// commits to it.
func (e *export) ofAnother(raw, origin string) error {
	if e.older != nil && e.older.head != nil && e.older.head.origin == origin {
		return e.older.extended(raw)
	}
	said, _, ends := strings.Cut(raw, "\n\n")
	known := ends && len(e.leaves) > 0 && bytes.Equal(e.leaves[0].statement, hash([]byte(said+"\n")))
	return is(known, "checkpoint-of-another-log")
}

// text is § 6: what was signed.
func (c *checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.origin, c.size, base64.StdEncoding.EncodeToString(c.root))
}
