package main

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

type kind int

const (
	null kind = iota
	boolean
	number
	text
	list
	object
)

// value is a parsed JSON value that remembers its order and its own bytes.
type value struct {
	kind    kind
	raw     string // as it stood in the document
	text    string // of a string; a number's digits
	truth   bool
	items   []value
	members []member
}

type member struct {
	name  string
	value value
}

func (v value) get(name string) (value, bool) {
	for _, each := range v.members {
		if each.name == name {
			return each.value, true
		}
	}
	return value{}, false
}

func (v value) str(name string) string {
	if found, _ := v.get(name); found.kind == text {
		return found.text
	}
	return ""
}

func (v value) int(name string) int64 {
	found, _ := v.get(name)
	if found.kind != number {
		return 0
	}
	n, _ := strconv.ParseInt(found.text, 10, 64)
	return n
}

func (v value) names() []string {
	var names []string
	for _, each := range v.members {
		names = append(names, each.name)
	}
	return names
}

// exactly: an object with these names in any order.
func exactly(v value, names ...string) bool {
	said := v.names()
	slices.Sort(said)
	slices.Sort(names)
	return v.kind == object && slices.Equal(said, names)
}

type reader struct {
	in    string
	at    int
	depth int
}

// strict reads the whole text as one document that nests at most `depth` objects and lists (§ 1).
func strict(in string, depth int) (value, error) {
	r := reader{in: in, depth: depth}
	if !utf8.ValidString(in) {
		return value{}, refused("json-malformed")
	}
	r.space()
	v, ok := r.value()
	r.space()
	if !ok || r.at != len(in) {
		return value{}, refused("json-malformed")
	}
	return v, nil
}

func (r *reader) space() {
	for r.at < len(r.in) && strings.IndexByte(" \t\n\r", r.in[r.at]) >= 0 {
		r.at++
	}
}

func (r *reader) next(want string) bool {
	if strings.HasPrefix(r.in[r.at:], want) {
		r.at += len(want)
		return true
	}
	return false
}

func (r *reader) value() (value, bool) {
	start := r.at
	v, ok := r.read()
	v.raw = r.in[start:r.at]
	return v, ok
}

func (r *reader) read() (value, bool) {
	switch {
	case r.next("null"):
		return value{kind: null}, true
	case r.next("true"):
		return value{kind: boolean, truth: true}, true
	case r.next("false"):
		return value{kind: boolean}, true
	case r.next(`"`):
		said, ok := r.string()
		return value{kind: text, text: said}, ok
	case r.next("{"):
		return r.object()
	case r.next("["):
		return r.list()
	}
	return r.number()
}

func (r *reader) object() (value, bool) {
	v := value{kind: object}
	if r.depth--; r.depth < 0 {
		return v, false
	}
	defer func() { r.depth++ }()
	seen := map[string]bool{}
	for r.space(); !r.next("}"); r.space() {
		if len(v.members) > 0 && !r.next(",") {
			return v, false
		}
		r.space()
		if !r.next(`"`) {
			return v, false
		}
		name, ok := r.string()
		r.space()
		if !ok || seen[name] || !r.next(":") {
			return v, false
		}
		seen[name] = true
		r.space()
		item, ok := r.value()
		if !ok {
			return v, false
		}
		v.members = append(v.members, member{name, item})
	}
	return v, true
}

func (r *reader) list() (value, bool) {
	v := value{kind: list}
	if r.depth--; r.depth < 0 {
		return v, false
	}
	defer func() { r.depth++ }()
	for r.space(); !r.next("]"); r.space() {
		if len(v.items) > 0 && !r.next(",") {
			return v, false
		}
		r.space()
		item, ok := r.value()
		if !ok {
			return v, false
		}
		v.items = append(v.items, item)
	}
	return v, true
}

func (r *reader) digits() bool {
	start := r.at
	for r.at < len(r.in) && r.in[r.at] >= '0' && r.in[r.at] <= '9' {
		r.at++
	}
	return r.at > start
}

func (r *reader) number() (value, bool) {
	start := r.at
	r.next("-")
	whole := r.at
	if !r.digits() || r.in[whole] == '0' && r.at > whole+1 {
		return value{}, false
	}
	integer := true
	if r.next(".") {
		integer = false
		if !r.digits() {
			return value{}, false
		}
	}
	if r.next("e") || r.next("E") {
		integer = false
		if !r.next("+") {
			r.next("-")
		}
		if !r.digits() {
			return value{}, false
		}
	}
	said := r.in[start:r.at]
	if len(said) > 32 {
		return value{}, false
	}
	if _, err := strconv.ParseFloat(said, 64); err != nil { // beyond what a double holds
		return value{}, false
	}
	if integer {
		const most = 1<<53 - 1
		n, err := strconv.ParseInt(said, 10, 64)
		if err != nil || n > most || n < -most || said == "-0" {
			return value{}, false
		}
	}
	return value{kind: number, text: said}, true
}

func (r *reader) string() (string, bool) {
	var out strings.Builder
	for r.at < len(r.in) {
		c := r.in[r.at]
		r.at++
		switch {
		case c == '"':
			return out.String(), true
		case c < 0x20:
			return "", false
		case c != '\\':
			out.WriteByte(c)
		default:
			if !r.escape(&out) {
				return "", false
			}
		}
	}
	return "", false
}

func (r *reader) escape(out *strings.Builder) bool {
	if r.at >= len(r.in) {
		return false
	}
	c := r.in[r.at]
	r.at++
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		out.WriteByte("\"\\/\b\f\n\r\t"[i])
		return true
	}
	if c != 'u' {
		return false
	}
	first, ok := r.unit()
	if !ok || first >= 0xdc00 && first < 0xe000 {
		return false
	}
	if first >= 0xd800 && first < 0xdc00 {
		if !r.next(`\u`) {
			return false
		}
		second, ok := r.unit()
		if !ok || second < 0xdc00 || second >= 0xe000 {
			return false
		}
		first = 0x10000 + (first-0xd800)<<10 + second - 0xdc00
	}
	out.WriteRune(first)
	return true
}

func (r *reader) unit() (rune, bool) {
	if r.at+4 > len(r.in) || strings.ContainsAny(r.in[r.at:r.at+4], "+-_") {
		return 0, false
	}
	n, err := strconv.ParseUint(r.in[r.at:r.at+4], 16, 32)
	r.at += 4
	return rune(n), err == nil
}

// write is the signed form of a value whose members keep their order (§ 1).
func (v value) write(out *strings.Builder) {
	switch v.kind {
	case null:
		out.WriteString("null")
	case boolean:
		out.WriteString(strconv.FormatBool(v.truth))
	case number:
		out.WriteString(v.text)
	case text:
		quote(out, v.text)
	case list:
		out.WriteByte('[')
		for i, each := range v.items {
			if i > 0 {
				out.WriteByte(',')
			}
			each.write(out)
		}
		out.WriteByte(']')
	case object:
		out.WriteByte('{')
		for i, each := range v.members {
			if i > 0 {
				out.WriteByte(',')
			}
			quote(out, each.name)
			out.WriteByte(':')
			each.value.write(out)
		}
		out.WriteByte('}')
	}
}

func quote(out *strings.Builder, said string) {
	const short = "\"\\\b\f\n\r\t"
	out.WriteByte('"')
	for i := range len(said) {
		c := said[i]
		if at := strings.IndexByte(short, c); at >= 0 {
			out.WriteByte('\\')
			out.WriteByte(`"\bfnrt`[at])
		} else if c < 0x20 {
			out.WriteString(`\u00` + string("0123456789abcdef"[c>>4]) + string("0123456789abcdef"[c&15]))
		} else {
			out.WriteByte(c)
		}
	}
	out.WriteByte('"')
}

func (v value) isSignedForm() bool {
	var out strings.Builder
	v.write(&out)
	return out.String() == v.raw
}
