package main

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// told puts texts of refused.json together again (message § 15): each is a string, or pieces of
// what a record of the way has as its value or statement.
func told(q question, a *answer) error {
	for _, node := range q.Nodes {
		said, err := pieced(node, q.Kind, q.Records)
		a.Each = append(a.Each, verdict(answer{Text: said}, err))
	}
	return nil
}

func pieced(node, what string, way []record) (string, error) {
	told, err := strict(node, 4)
	if err != nil {
		return "", err
	}
	if told.kind == text {
		return told.text, nil
	}
	at, pieces, err := told.parts(len(way))
	if err != nil {
		return "", err
	}
	base, ok := baseOf(way[at], what)
	if !ok {
		return "", refused("text-malformed")
	}
	var out strings.Builder
	for _, piece := range pieces {
		if piece.kind == text {
			out.WriteString(piece.text)
			continue
		}
		first, end, ok := slice(piece, len(base))
		if !ok {
			return "", refused("text-malformed")
		}
		out.WriteString(base[first:end])
	}
	if !utf8.ValidString(out.String()) {
		return "", refused("text-malformed")
	}
	return out.String(), nil
}

func (v value) parts(records int) (int64, []value, error) {
	pieces, _ := v.get("pieces")
	at := v.int("of")
	if !slices.Equal(v.names(), []string{"of", "pieces"}) || pieces.kind != list || at < 0 || at >= int64(records) {
		return 0, nil, refused("text-malformed")
	}
	return at, pieces.items, nil
}

func baseOf(from record, what string) (string, bool) {
	if what == "value" {
		if from.Value == nil {
			return "", false
		}
		return *from.Value, true
	}
	for _, header := range from.Headers {
		if header[0] != nil && *header[0] == "statement" && header[1] != nil {
			return *header[1], true
		}
	}
	return "", false
}

func slice(piece value, size int) (int, int, bool) {
	if piece.kind != list || len(piece.items) != 2 {
		return 0, 0, false
	}
	first, wrong := strconv.Atoi(piece.items[0].text)
	end, also := strconv.Atoi(piece.items[1].text)
	return first, end, wrong == nil && also == nil && 0 <= first && first < end && end <= size
}
