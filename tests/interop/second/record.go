package main

import (
	"strings"
	"time"
)

// record is one record of an exchange topic, as the vectors show it.
type record struct {
	Topic   string
	Key     *string
	Headers [][2]*string
	Value   *string
}

// reading is what a recipient has: its name, its view, its keys and its clock, and what is written.
type reading struct {
	me     string
	view   *register
	opens  []*openKey
	now    time.Time
	digest map[string]string     // (from, id) → message digest, of what was accepted before
	known  map[string]*reference // (from, id) → the message that another may refer to
	*learnt
}

// found is what an accepted record says.
type found struct {
	Digest      string `json:"digest"`
	Kennzeichen string `json:"kennzeichen"`
	Kind        string `json:"kind"`
	Payload     string `json:"payload,omitempty"`
	Record      string `json:"record,omitempty"`
	Again       bool   `json:"again,omitempty"`
	AckBy       string `json:"ack_by,omitempty"`
	DeleteAfter string `json:"delete_after,omitempty"`
}

// judge takes the steps of § 9; the first that fails gives code and step.
func (r *reading) judge(said record) (*found, error) {
	step := func(n int, err error) error {
		if why, ok := err.(*refusal); ok {
			return &refusal{why.code, n}
		}
		return err
	}
	token, context, err := parsed(said)
	if err != nil {
		return nil, step(1, err)
	}
	from := context.str("from")
	key, err := r.view.signer(from, token.kid, r.now)
	if err == nil {
		err = token.verify(key)
	}
	if err != nil {
		return nil, step(2, err)
	}
	if err := r.place(said, context); err != nil {
		return nil, step(3, err)
	}
	if err := r.value(said, token, from); err != nil {
		return nil, step(4, err)
	}
	if r.now.UTC().Format(time.DateOnly) >= context.str("delete_after") {
		return nil, step(5, refused("past-delete-after"))
	}
	if r.view.standings[from].status == "suspended" {
		return nil, step(5, refused("sender-suspended"))
	}
	inner := hash([]byte(*said.Value))
	made := &found{
		Digest:      hexHash([]byte(token.payload), inner),
		Kennzeichen: kennzeichen(context.str("id")),
		Kind:        context.str("kind"),
	}
	place := from + " " + context.str("id")
	if known, ok := r.digest[place]; ok {
		made.Again = true
		return made, step(6, is(known == made.Digest, "duplicate-differs"))
	}
	if given, receipt := context.get("receipt"); receipt {
		made.Kind = given.str("kind")
	}
	if n, err := r.sealed(*said.Value, token.payload, context, made); err != nil {
		return nil, step(n, err)
	}
	r.digest[place] = made.Digest
	return made, nil
}

// statementOf returns the one header of that name.
func statementOf(said record) (string, error) {
	var statements []*string
	for _, each := range said.Headers {
		if each[0] != nil && *each[0] == "statement" {
			statements = append(statements, each[1])
		}
	}
	if len(statements) != 1 || statements[0] == nil {
		return "", refused("header-malformed")
	}
	return *statements[0], nil
}

// parsed is step 1.
func parsed(said record) (*jws, value, error) {
	text, err := statementOf(said)
	if err != nil {
		return nil, value{}, err
	}
	if len(text) > statementMost {
		return nil, value{}, refused("jws-too-large")
	}
	token, err := parseJWS(text, "statement")
	if err != nil {
		return nil, value{}, err
	}
	context, err := readContext(token.payload)
	return token, context, err
}

// place is step 3.
func (r *reading) place(said record, context value) error {
	from, to, id := context.str("from"), context.str("to"), context.str("id")
	owner, found := strings.CutPrefix(said.Topic, "inbox.")
	recipient, sender, two := strings.Cut(owner, ".")
	if !found || !two || !agencyForm.MatchString(recipient) || !agencyForm.MatchString(sender) {
		return refused("topic-malformed")
	}
	if sender != from {
		return refused("topic-contradicts")
	}
	if to != r.me || recipient != r.me {
		return refused("not-addressed-to-me")
	}
	if said.Key == nil || *said.Key != id {
		return refused("record-key-contradicts")
	}
	return attributes(said, id, from, context.str("kind"))
}

// attributes is what § 4 says of the headers beside the statement.
func attributes(said record, id, from, kind string) error {
	want := map[string]string{
		"ce_specversion": "1.0",
		"ce_id":          id,
		"ce_source":      "urn:meldeweg:agency:" + from,
		"ce_type":        "de.meldeweg." + kind + ".v1",
		"content-type":   "application/json",
	}
	for _, each := range said.Headers {
		if each[0] == nil || each[1] == nil {
			return refused("header-contradicts")
		}
		if *each[0] == "statement" {
			continue
		}
		implied, known := want[*each[0]]
		if !known || implied != *each[1] { // a second one is no longer known
			return refused("header-contradicts")
		}
		delete(want, *each[0])
	}
	return is(len(want) == 0, "header-contradicts")
}

// value is step 4.
func (r *reading) value(said record, token *jws, from string) error {
	if said.Value == nil || int64(len(*said.Value)) != token.size || hexHash([]byte(*said.Value)) != token.digest {
		return refused("value-mismatch")
	}
	return is(r.view.standings[from].status != "revoked", "sender-revoked")
}

// told is § 10: a record of events.<agency>.
func (r *register) told(said record, now time.Time) (value, error) {
	text, err := statementOf(said)
	if err != nil {
		return value{}, err
	}
	token, err := parseJWS(text, "event", "heartbeat")
	if err != nil {
		return value{}, err
	}
	body, err := readSigned(token.payload, tables[token.kind], token.kind+"-malformed")
	if err != nil {
		return body, err
	}
	agency, id := body.str("agency"), body.str("id")
	if said.Topic != "events."+agency {
		return body, refused("topic-contradicts")
	}
	if said.Key == nil || *said.Key != id || said.Value == nil || *said.Value != "{}" {
		return body, refused("header-contradicts")
	}
	if err = attributes(said, id, agency, token.kind); err != nil {
		return body, err
	}
	key, err := r.signer(agency, token.kid, now)
	if err == nil {
		err = token.verify(key)
	}
	return body, err
}
