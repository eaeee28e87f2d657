package main

import (
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// sealed is steps 7 to 10; it returns the step that refuses.
func (r *reading) sealed(said, contextText string, context value, made *found) (int, error) {
	given, receipt := context.get("receipt")
	if receipt {
		_, committed := context.get("record_sha256")
		sealed := said != "{}"
		kind := given.str("kind")
		if sealed != committed || sealed && kind == "delivered" || !sealed && kind != "delivered" && kind != "refused" {
			return 7, refused("receipt-contradicts")
		}
		if !sealed {
			return 9, r.view.party(context)
		}
	}
	payload, text, err := r.unseal(said, contextText, context)
	if err != nil {
		return 7, err
	}
	if hexHash([]byte(text)) != context.str("record_sha256") {
		return 8, refused("record-mismatch")
	}
	made.Payload, made.Record = payload, text
	if receipt {
		if err := r.word(context, payload, text); err != nil {
			return 8, err
		}
		return 9, r.view.party(context)
	}
	body, err := readSigned(text, recordTable, "record-malformed")
	if err != nil {
		return 8, err
	}
	if err := r.covers(context, body, made); err != nil {
		return 9, err
	}
	return 10, r.content(body, payload)
}

// unseal is step 7: the first envelope and what is in it, then the second one.
func (r *reading) unseal(said, contextText string, context value) (payload, record string, err error) {
	first, second, err := parts(said)
	if err != nil {
		return "", "", err
	}
	aad := hash([]byte(contextText))
	content, err := parseEnvelope(first)
	if err != nil {
		return "", "", err
	}
	if !slices.Equal(content.aad, aad) {
		return "", "", refused("envelope-aad-mismatch")
	}
	key, err := r.mine(content.kids())
	if err != nil {
		return "", "", err
	}
	plain, err := content.open(key, aad)
	if err != nil {
		return "", "", err
	}
	if payload, record, err = inside(string(plain)); err != nil {
		return "", "", err
	}
	why, err := parseEnvelope(second)
	if err != nil {
		return "", "", err
	}
	if !slices.Equal(why.aad, aad) {
		return "", "", refused("envelope-aad-mismatch")
	}
	return payload, record, is(r.officers(why.kids(), context), "oversight-contradicts")
}

// mine is the key that opens: the first entry of mine that counts now, if all entries are for me.
func (r *reading) mine(kids []string) (*openKey, error) {
	why := "envelope-not-for-this-key"
	found := false
	for _, kid := range kids {
		at := slices.IndexFunc(r.opens, func(each *openKey) bool { return each.kid == kid })
		if at < 0 {
			continue
		}
		bad := r.view.seals(r.me, kid, r.now)
		if bad == "" {
			return r.opens[at], r.readers(kids)
		}
		if !found || bad == notYet {
			why, found = bad, true
		}
	}
	return nil, refused(why)
}

// readers: seal keys of mine, whenever they count, and no other.
func (r *reading) readers(kids []string) error {
	for _, kid := range kids {
		if known, ok := r.view.keys[r.me][kid]; !ok || known.use != "seal" {
			return refused("readers-contradict")
		}
	}
	return nil
}

// notYet is the one of seals' codes with which the record waits.
const notYet = "key-not-yet-valid"

// seals says why what arrives now may not be sealed to this key of the agency; a revoked one opens.
func (r *register) seals(agency, kid string, now time.Time) string {
	known, ok := r.keys[agency][kid]
	switch {
	case !ok || known.use == "seal" && now.Before(known.from.Add(-tolerance)):
		return notYet
	case known.use != "seal":
		return "key-use-wrong"
	case now.After(known.until.Add(tolerance)):
		return "key-expired"
	}
	return ""
}

// officers: oversight keys of the sender's and of mine, and no other.
func (r *reading) officers(kids []string, context value) bool {
	var theirs, ours int
	for _, kid := range kids {
		switch {
		case r.view.isOversight(context.str("from"), kid):
			theirs++
		case r.view.isOversight(context.str("to"), kid):
			ours++
		}
	}
	return theirs > 0 && ours > 0 && theirs+ours == len(kids)
}

func braced(text string) bool {
	return strings.HasPrefix(text, "{") && strings.HasSuffix(text, "}")
}

// parts splits a value into the texts of its two envelopes (§ 6).
func parts(said string) (content, why string, err error) {
	rest, begins := strings.CutPrefix(said, `{"content":`)
	rest, ends := strings.CutSuffix(rest, "}")
	content, why, two := strings.Cut(rest, `,"record":`)
	if !begins || !ends || !two || !braced(content) || !braced(why) {
		return "", "", refused("value-malformed")
	}
	return content, why, is(len(why) <= recordMost, "envelope-too-large")
}

// inside splits the content's plaintext into P, which step 10 reads, and the text of the record (§ 6).
func inside(plain string) (payload, record string, err error) {
	bad := refused("content-malformed")
	rest, begins := strings.CutPrefix(plain, `{"attachments":`)
	attached, rest, two := strings.Cut(rest, `,"payload":`)
	at := strings.LastIndex(rest, `,"record":"`)
	if !begins || !two || at < 0 {
		return "", "", bad
	}
	payload, said := rest[:at], rest[at+len(`,"record":`):]
	if !braced(payload) || len(said) < 3 || !strings.HasSuffix(said, `"}`) {
		return "", "", bad
	}
	if attached != "[]" {
		if _, err := strict(attached, 32); err != nil {
			return "", "", bad
		}
		return "", "", refused("attachments-unknown")
	}
	why, err := strict(strings.TrimSuffix(said, "}"), 0)
	if err != nil {
		return "", "", bad
	}
	return payload, why.text, nil
}

// word is § 8: what a person's receipt seals agrees with what it says openly.
func (r *reading) word(context value, payload, text string) error {
	bad := refused("receipt-contradicts")
	why, err := readSigned(text, receiptRecordTable, "receipt-malformed")
	if err != nil {
		return err
	}
	body, err := strict(payload, 1)
	if err != nil || !inForm(ordered(body, receiptPayloadTable), receiptPayloadTable) {
		return refused("receipt-malformed")
	}
	given, _ := context.get("receipt")
	for _, name := range fields("kind of code") {
		if given.str(name) != why.str(name) {
			return bad
		}
	}
	for _, name := range fields("reason responsible") {
		if body.str(name) != why.str(name) {
			return bad
		}
	}
	_, named := body.get("responsible")
	return is(named == (given.str("code") == "not-responsible"), "receipt-contradicts")
}

// ordered puts members into the table's order: a payload need not be in signed form.
func ordered(v value, table []column) value {
	rank := func(name string) int {
		return slices.IndexFunc(table, func(each column) bool { return each.name == name })
	}
	slices.SortStableFunc(v.members, func(a, b member) int { return rank(a.name) - rank(b.name) })
	return v
}

// opened is an auditor's work: the record of a value with an oversight key, against the context.
func opened(said, contextText, digest string, officer *openKey) (string, error) {
	_, second, err := parts(said)
	if err != nil {
		return "", err
	}
	why, err := parseEnvelope(second)
	if err != nil {
		return "", err
	}
	plain, err := why.open(officer, hash([]byte(contextText)))
	if err != nil {
		return "", err
	}
	return string(plain), is(hex.EncodeToString(hash(plain)) == digest, "record-mismatch")
}
