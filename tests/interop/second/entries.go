package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const lineMost = 8 << 20

// line is what a line of leaves.jsonl says.
type line struct {
	topic     string
	statement string
	shown     bool // it has a statement that is text
}

// entries is step 3: each line is exactly what its leaf commits to.
func (e *export) entries() bool {
	file, err := e.files.Open("leaves.jsonl")
	if err != nil {
		e.find(3, "leaves-unreadable")
		return false
	}
	defer file.Close()
	in := bufio.NewReaderSize(file, 1<<16)
	for index, each := range e.leaves {
		raw, err := readLine(in)
		if err != nil {
			e.find(3, "line-missing %d", index)
			return false
		}
		said, err := e.readEntry(raw, index, each)
		if err != nil {
			e.find(3, "%v %d", err, index)
			return false
		}
		e.lines = append(e.lines, said)
	}
	if _, err := in.ReadByte(); err != io.EOF {
		e.find(3, "line-too-many")
		return false
	}
	return true
}

func readLine(in *bufio.Reader) (string, error) {
	var out strings.Builder
	for out.Len() <= lineMost {
		part, err := in.ReadSlice('\n')
		out.Write(part)
		if err == nil {
			return strings.TrimSuffix(out.String(), "\n"), nil
		}
		if err != bufio.ErrBufferFull {
			return "", refused("line-malformed")
		}
	}
	return "", refused("line-too-long")
}

// readEntry reads a line by its members and writes it again: it has exactly one form (§ 9).
func (e *export) readEntry(raw string, index int, committed *leaf) (line, error) {
	bad := refused("line-malformed")
	v, err := strict(raw, 4)
	if err != nil {
		return line{}, bad
	}
	begin := fmt.Sprintf(`{"index":%d,"leaf":"%s",`, index, base64.StdEncoding.EncodeToString(committed.bytes()))
	if committed.genesis {
		want := fmt.Sprintf(`"genesis":{"year":%d,"previous":"%x"}}`, committed.offset, committed.statement)
		return line{}, is(raw == begin+want, "line-contradicts")
	}
	made := line{topic: v.str("topic")}
	begin += fmt.Sprintf(`"topic":%s,"offset":%d,`, ascii(made.topic), committed.offset)
	if gone, ok := v.get("erased"); ok {
		if !gone.truth || raw != begin+`"erased":true}` {
			return made, bad
		}
		e.find(3, "erased %d", index) // nothing in a log proves it
		return made, nil
	}
	shown, ok := v.get("statement")
	if !ok {
		return made, bad
	}
	said, written := make([]byte, 32), "null"
	switch shown.kind {
	case null:
	case text:
		made.statement, made.shown = shown.text, true
		said, written = hash([]byte(shown.text)), ascii(shown.text)
	case object:
		blob, exact := b64(shown.str("b64"))
		if !exact || utf8.Valid(blob) {
			return made, bad
		}
		said, written = hash(blob), `{"b64":"`+shown.str("b64")+`"}`
	default:
		return made, bad
	}
	same := bytes.Equal(said, committed.statement) && raw == begin+`"statement":`+written+`}`
	return made, is(same, "line-contradicts")
}

// ascii is the JSON string of § 9.
func ascii(said string) string {
	var out strings.Builder
	quote(&out, said)
	plain := out.String()
	out.Reset()
	for _, c := range plain {
		if c >= 0x20 && c < 0x7f {
			out.WriteRune(c)
		} else if c < 0x10000 {
			fmt.Fprintf(&out, `\u%04x`, c)
		} else {
			first, second := utf16.EncodeRune(c)
			fmt.Fprintf(&out, `\u%04x\u%04x`, first, second)
		}
	}
	return out.String()
}
