package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// schema is as much of JSON Schema 2020-12 as the files of schemas/ use; what it does not know it
// does not pass over.
type schema struct{ root value }

var (
	annotations = fields("title description default examples $schema $id $defs")
	unicodeMark = regexp.MustCompile(`\\u([0-9a-f]{4})`)
	patterns    = map[string]*regexp.Regexp{}
)

// pattern: ECMA-262's `\u00a0` is Go's `\x{00a0}`; the rest of what is used reads alike.
func pattern(said string) *regexp.Regexp {
	if patterns[said] == nil {
		patterns[said] = regexp.MustCompile(unicodeMark.ReplaceAllString(said, `\x{$1}`))
	}
	return patterns[said]
}

func (s schema) fits(rule, v value) bool {
	for _, each := range rule.members {
		if !slices.Contains(annotations, each.name) && !s.keyword(each.name, each.value, rule, v) {
			return false
		}
	}
	return true
}

func (s schema) keyword(name string, said, rule, v value) bool {
	switch name {
	case "$ref":
		defs, _ := s.root.get("$defs")
		target, ok := defs.get(strings.TrimPrefix(said.text, "#/$defs/"))
		return ok && s.fits(target, v)
	case "const":
		return same(said, v)
	case "enum":
		return slices.ContainsFunc(said.items, func(each value) bool { return same(each, v) })
	case "anyOf":
		return s.matching(said, v) > 0
	case "oneOf":
		return s.matching(said, v) == 1
	case "type":
		return isType(said.text, v)
	case "properties", "required", "additionalProperties", "patternProperties", "minProperties", "maxProperties":
		return v.kind != object || s.object(name, said, rule, v)
	case "items", "minItems", "maxItems", "uniqueItems":
		return v.kind != list || s.list(name, said, v)
	case "minimum", "maximum":
		return v.kind != number || bounded(name, said, v)
	case "pattern", "format", "minLength", "maxLength":
		return v.kind != text || reads(name, said, v.text)
	}
	return false
}

func (s schema) matching(choices, v value) int {
	found := 0
	for _, each := range choices.items {
		if s.fits(each, v) {
			found++
		}
	}
	return found
}

func (s schema) object(name string, said, rule, v value) bool {
	switch name {
	case "required":
		return !slices.ContainsFunc(said.items, func(each value) bool { _, ok := v.get(each.text); return !ok })
	case "properties":
		for _, each := range v.members {
			if its, known := said.get(each.name); known && !s.fits(its, each.value) {
				return false
			}
		}
		return true
	case "patternProperties":
		return !slices.ContainsFunc(v.members, func(each member) bool {
			its, known := named(said, each.name)
			return known && !s.fits(its, each.value)
		})
	case "minProperties":
		return len(v.members) >= whole(said)
	case "maxProperties":
		return len(v.members) <= whole(said)
	}
	known, _ := rule.get("properties") // additionalProperties, which is false wherever it stands
	like, _ := rule.get("patternProperties")
	return !said.truth && !slices.ContainsFunc(v.members, func(each member) bool {
		_, ok := known.get(each.name)
		_, also := named(like, each.name)
		return !ok && !also
	})
}

// named is the schema of the first pattern that a name has.
func named(patterns value, name string) (value, bool) {
	for _, each := range patterns.members {
		if pattern(each.name).MatchString(name) {
			return each.value, true
		}
	}
	return value{}, false
}

func (s schema) list(name string, said, v value) bool {
	switch name {
	case "items":
		return !slices.ContainsFunc(v.items, func(each value) bool { return !s.fits(said, each) })
	case "minItems":
		return len(v.items) >= whole(said)
	case "maxItems":
		return len(v.items) <= whole(said)
	}
	return distinct(v.items)
}

// distinct: all lists of which this is asked hold text.
func distinct(items []value) bool {
	for i, each := range items {
		if slices.ContainsFunc(items[:i], func(other value) bool { return same(other, each) }) {
			return false
		}
	}
	return true
}

func same(a, b value) bool {
	return a.kind == b.kind && a.kind != list && a.kind != object && a.text == b.text && a.truth == b.truth
}

func whole(v value) int {
	n, _ := strconv.Atoi(v.text)
	return n
}

func bounded(name string, said, v value) bool {
	if name == "minimum" {
		return whole(v) >= whole(said)
	}
	return whole(v) <= whole(said)
}

func isType(wanted string, v value) bool {
	kinds := map[string]kind{"null": null, "boolean": boolean, "string": text, "array": list, "object": object}
	if wanted == "integer" { // written as one: 5, not 5.0
		return v.kind == number && !strings.ContainsAny(v.text, ".eE")
	}
	its, known := kinds[wanted]
	return known && v.kind == its
}

func reads(name string, said value, v string) bool {
	switch name {
	case "pattern":
		return pattern(said.text).MatchString(v)
	case "minLength":
		return utf8.RuneCountInString(v) >= whole(said)
	case "maxLength":
		return utf8.RuneCountInString(v) <= whole(said)
	}
	layout := map[string]string{"date-time": time.RFC3339, "date": time.DateOnly}[said.text]
	_, err := time.Parse(layout, v)
	return layout != "" && err == nil
}
