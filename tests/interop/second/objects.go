package main

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// check says whether a value is of the form that a table's second column names.
type check func(value) bool

// column is one row of a table: a member's name, its form, and whether it may be absent.
type column struct {
	name     string
	form     check
	optional bool
}

func said(name string, form check) column { return column{name, form, false} }
func may(name string, form check) column  { return column{name, form, true} }

// inForm: an object in signed form, with the members of the table in its order and no others.
func inForm(v value, table []column) bool {
	if v.kind != object {
		return false
	}
	rest := v.members
	for _, each := range table {
		if len(rest) > 0 && rest[0].name == each.name {
			if !each.form(rest[0].value) {
				return false
			}
			rest = rest[1:]
		} else if !each.optional {
			return false
		}
	}
	return len(rest) == 0
}

// payloadDepth: § 14.
const payloadDepth = 8

// readSigned reads a payload in signed form.
func readSigned(payload string, table []column, code string) (value, error) {
	v, err := strict(payload, payloadDepth)
	if err != nil || v.raw != payload || !v.isSignedForm() || !inForm(v, table) {
		return v, refused(code)
	}
	return v, nil
}

func formed(ok func(string) bool) check {
	return func(v value) bool { return v.kind == text && ok(v.text) }
}

func anyOf(words ...string) check {
	return formed(func(s string) bool {
		for _, each := range words {
			if s == each {
				return true
			}
		}
		return false
	})
}

func integer(least int64) check {
	return func(v value) bool {
		return v.kind == number && decimalForm.MatchString(v.text) && (value{members: []member{{"n", v}}}).int("n") >= least
	}
}

func between(least, most int64) check {
	return func(v value) bool { return integer(least)(v) && !integer(most+1)(v) }
}

func listOf(form check) check {
	return func(v value) bool {
		if v.kind != list {
			return false
		}
		for _, each := range v.items {
			if !form(each) {
				return false
			}
		}
		return true
	}
}

func mapOf(name func(string) bool, form check) check {
	return func(v value) bool {
		if v.kind != object {
			return false
		}
		for _, each := range v.members {
			if !name(each.name) || !form(each.value) {
				return false
			}
		}
		return true
	}
}

func members(table ...column) check {
	return func(v value) bool { return inForm(v, table) }
}

func jwkForm(v value) bool {
	_, err := publicKey(v)
	return err == nil
}

var (
	one   = func(v value) bool { return v.kind == number && v.text == "1" }
	words = formed(func(string) bool { return true })
	deeds = anyOf(fields(`started opened quarantined parked released overridden alarm overdue undeliverable
		retracted clock-differs register-contradicts topic-reset key-published`)...)
	truth    = func(v value) bool { return v.kind == boolean }
	agencyID = formed(agencyForm.MatchString)
	ags      = formed(agsForm.MatchString)
	uuid7    = formed(idForm.MatchString)
	moment   = formed(func(s string) bool { _, ok := instant(s); return ok })
	reason   = formed(func(s string) bool { return len(s) <= 60 && codeForm.MatchString(s) })
	sum      = formed(func(s string) bool { return isHex(s, 64) })
	hex32    = formed(func(s string) bool { return isHex(s, 32) })
	keyID    = formed(kidForm.MatchString)
	random32 = formed(func(s string) bool { _, err := b64uOf(s, 32); return err == nil })
	count    = integer(0)
	urgency  = anyOf("immediate", "today", "routine")
	sequence = members(said("outbox", formed(func(s string) bool { return isHex(s, 16) })), said("n", integer(1)))
	receipts = anyOf("delivered", "acknowledged", "refused", "erased")
	topic    = formed(topicForm.MatchString)
)

var contextTable = []column{
	said("v", one), said("id", uuid7), said("kind", anyOf("message", "receipt")),
	said("from", agencyID), said("to", agencyID), said("created", moment),
	may("urgency", urgency), may("ack_by", moment), said("exercise", truth), said("agreement", sum),
	said("seq", sequence), may("record_sha256", sum), said("delete_after", formed(isMonth)),
	may("receipt", members(
		said("of", sum), said("kind", receipts), said("topic", topic), said("offset", count), may("code", reason),
	)),
}

// readContext is § 5 with what it says of messages and of receipts.
func readContext(payload string) (value, error) {
	bad := refused("context-malformed")
	c, err := readSigned(payload, contextTable, "context-malformed")
	if err != nil {
		return c, err
	}
	has := func(name string) bool { _, ok := c.get(name); return ok }
	if c.str("from") == c.str("to") {
		return c, bad
	}
	if c.str("kind") == "message" {
		return c, is(has("urgency") && has("ack_by") && has("record_sha256") && !has("receipt"), "context-malformed")
	}
	given, ok := c.get("receipt")
	if !ok || has("urgency") || has("ack_by") {
		return c, bad
	}
	_, coded := given.get("code")
	return c, is(coded == (given.str("kind") == "refused"), "context-malformed")
}

// upTo: text of at most so many characters, of a form.
func upTo(most int, form *regexp.Regexp) check {
	return formed(func(s string) bool { return utf8.RuneCountInString(s) <= most && form.MatchString(s) })
}

// few: a list of at least and at most so many, none of them twice.
func few(least, most int, form check) check {
	all := listOf(form)
	return func(v value) bool { return all(v) && len(v.items) >= least && len(v.items) <= most }
}

func unlike(form check) check { return func(v value) bool { return form(v) && distinct(v.items) } }

const unseen = `\x{7f}-\x{9f}\x{2028}-\x{202e}\x{2066}-\x{2069}`

var (
	aLine    = upTo(200, regexp.MustCompile(`^[^\x00-\x1f`+unseen+`]*[^ \x{a0}\x00-\x1f`+unseen+`][^\x00-\x1f`+unseen+`]*$`))
	prose    = upTo(1000, regexp.MustCompile(`^[^\x00-\x08\x0b\x0c\x0e-\x1f`+unseen+`]*[^ \x{a0}\x00-\x1f`+unseen+`][^\x00-\x08\x0b\x0c\x0e-\x1f`+unseen+`]*$`))
	aName    = upTo(200, regexp.MustCompile(`(?s)^.+$`))
	threadID = upTo(100, regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]*$`))
	kinds    = anyOf(fields("notification request.immediate-action inquiry reply correction retraction")...)
	ground   = anyOf(fields("domestic-violence alcohol-excess drug-use sexual-violence neglect")...)
	datum    = anyOf(fields(`identity contact whereabouts family incident health substance-use sexual-violence
		offence measures assessment safety case-course entrusted`)...)
	secret = anyOf(fields("none consent change-of-responsibility risk-assessment professional-secret")...)
)

var recordTable = []column{
	said("v", one), said("type", kinds), said("version", between(1, 999)), said("grounds", unlike(few(0, 5, ground))),
	said("clause", reason), said("legal_basis", few(1, 50, aLine)), said("purpose", aLine),
	said("urgency", urgency), said("actor_ref", hex32), may("addressee", aLine),
	said("data_categories", unlike(few(0, 20, datum))),
	may("labels", members(
		said("collected_by", aLine), said("means", aLine), said("category_of_person", aLine), said("offence", aLine),
	)),
	may("entrusted", secret), may("places", members(may("place", ags), may("residence", ags))),
	may("handover_at", moment), may("thread", threadID), may("in_reply_to", uuid7), may("override", prose),
	said("nonce", random32),
}

var receiptRecordTable = []column{
	said("v", one), said("kind", receipts), said("of", sum), said("actor_ref", hex32), may("code", reason),
	may("responsible", agencyID), may("reason", prose), said("nonce", random32),
}

var receiptPayloadTable = []column{
	said("v", one), said("by", aName), may("reason", prose), may("responsible", agencyID),
}

var (
	nonEmpty = regexp.MustCompile(`(?s)^.+$`)
	why      = upTo(500, nonEmpty)
)

func isTypeName(name string) bool { return name != "" && utf8.RuneCountInString(name) <= 60 }

func upToMembers(most int, form check) check {
	return func(v value) bool { return form(v) && len(v.members) <= most }
}

var counters = mapOf(agencyForm.MatchString, sequence)

// tables of the other signed objects (§ 10 to 13).
var tables = map[string][]column{
	"event": {
		said("v", one), said("id", uuid7), said("agency", agencyID), said("kind", deeds), said("at", moment),
		may("message", sum), may("urgency", urgency), may("exercise", truth), may("actor_ref", hex32),
		may("code", reason), may("partner", agencyID), may("topic", topic), may("offset", count),
		may("record_sha256", sum), may("seq", sequence),
	},
	"heartbeat": {
		said("v", one), said("id", uuid7), said("agency", agencyID), said("at", moment),
		said("sent", counters), said("received", counters), said("parked", count),
		said("quarantined", count), said("waiting", count), said("stale_contacts", count),
	},
	"enrolment": {
		said("v", one), said("agency", agencyID), said("name", aName), said("kind", anyOf("police", "youth-office")),
		said("municipalities", few(0, 200, ags)), said("identity", jwkForm), said("principal", upTo(83, nonEmpty)), said("at", moment),
	},
	"service-key": {
		said("v", one), said("service", anyOf("registry", "audit")), said("key", jwkForm),
		said("not_before", moment), said("verify_until", moment), said("at", moment),
	},
	"status": {
		said("v", one), said("agency", agencyID), said("status", anyOf("active", "suspended", "revoked")),
		said("n", integer(1)), said("reason", why), said("at", moment),
	},
	"key": {
		said("v", one), said("agency", agencyID), said("use", anyOf("sign", "seal", "oversight")),
		said("key", jwkForm), said("not_before", moment), said("use_until", moment),
		said("valid_until", moment), said("at", moment),
	},
	"key-revoked": {
		said("v", one), said("agency", agencyID), said("kid", keyID), said("reason", why), said("at", moment),
	},
	"reads": {
		said("v", one), said("agency", agencyID),
		said("types", upToMembers(100, mapOf(isTypeName, few(0, 100, between(1, 999))))), said("at", moment),
	},
	"agreement-signature": {said("v", one), said("agreement", sum), said("agency", agencyID), said("at", moment)},
	"snapshot": {
		said("v", one), said("n", integer(1)), said("at", moment),
		said("topics", mapOf(topicForm.MatchString, members(said("end", count), said("digest", sum)))),
	},
}

func fields(spaced string) []string { return strings.Fields(spaced) }
