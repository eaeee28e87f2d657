package main

import (
	"slices"
	"time"
	_ "time/tzdata" // Europe/Berlin, wherever this runs
)

// covers is step 9 of a message: the covering function of § 12 over what context and record say.
func (r *reading) covers(context, record value, made *found) error {
	f := factsOf(context, record)
	if referring[f.Type] {
		if refers, ok := record.get("in_reply_to"); ok {
			from := f.From
			if f.Type == "reply" {
				from = f.To
			}
			if f.Original, ok = r.known[from+" "+refers.text]; !ok {
				return refused("original-unknown")
			}
		}
	}
	held, ok := r.view.agreements[context.str("agreement")]
	if !ok {
		return refused("agreement-unknown")
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		return err
	}
	status := r.view.standing(held, f.created.In(berlin))
	found, failed := f.covered(held.body, status, calendar{held.body, r.holidays, berlin})
	if failed != nil {
		if failed.rule == "not-responsible" {
			return refused("responsibility-contradicts")
		}
		return refused(failed.rule)
	}
	basis, _ := record.get("legal_basis")
	same := record.str("clause") == found.Clauses[0] && slices.Equal(texts(basis), found.LegalBasis) &&
		record.str("purpose") == found.Purpose && record.str("urgency") == found.CaseUrgency &&
		context.str("urgency") == found.Urgency
	if !same {
		return refused("record-contradicts")
	}
	made.AckBy = min(context.str("ack_by"), found.AckBy) // instants sort as text
	made.DeleteAfter = min(context.str("delete_after"), found.DeleteAfter)
	if f.created.After(r.now) { // neither day waits for a time that is to come
		f.created = r.now
		sooner, failed := f.covered(held.body, status, calendar{held.body, r.holidays, berlin})
		if failed != nil {
			return refused(failed.rule)
		}
		made.AckBy = min(made.AckBy, sooner.AckBy)
		made.DeleteAfter = min(made.DeleteAfter, sooner.DeleteAfter)
	}
	if r.now.UTC().Format(time.DateOnly) >= made.DeleteAfter {
		return refused("past-delete-after")
	}
	r.known[f.From+" "+context.str("id")] = &reference{f.From, f.To, f.Type, f.Exercise}
	return nil
}

var referring = map[string]bool{"reply": true, "correction": true, "retraction": true}

func factsOf(context, record value) *facts {
	f := &facts{From: context.str("from"), To: context.str("to"), Type: record.str("type")}
	f.created, _ = instant(context.str("created"))
	f.Exercise = yes(context, "exercise")
	grounds, _ := record.get("grounds")
	categories, _ := record.get("data_categories")
	f.Grounds, f.Categories = texts(grounds), texts(categories)
	_, f.Labels = record.get("labels")
	_, f.Override = record.get("override")
	f.Entrusted, f.HandoverAt = optional(record, "entrusted"), optional(record, "handover_at")
	f.Urgency = optional(record, "urgency")
	if places, ok := record.get("places"); ok {
		f.Places = map[string]string{}
		for _, each := range places.members {
			f.Places[each.name] = each.value.text
		}
	}
	return f
}

func optional(v value, name string) *string {
	if found, ok := v.get(name); ok {
		return &found.text
	}
	return nil
}

func texts(v value) []string {
	var found []string
	for _, each := range v.items {
		found = append(found, each.text)
	}
	return found
}

var lives = []string{"draft", "future", "in-force", "run-off", "ended"}

// standing is what an agreement is worth on a day, those considered that replace it.
func (r *register) standing(old *agreement, at time.Time) string {
	own := statusAt(old.body, r.allSigned(old.digest, at), at)
	worth := own
	for _, next := range r.agreements {
		status := statusAt(next.body, r.allSigned(next.digest, at), at)
		if next.body.str("replaces") != old.digest || own == "draft" || status == "draft" || status == "future" {
			continue
		}
		if r.signedByAllOf(old, next) {
			then := statusUnder(old.body, r.alone(next, at.Location()), at)
			worth = lives[max(slices.Index(lives, worth), slices.Index(lives, then))]
		}
	}
	return worth
}

func (r *register) signedByAllOf(old, next *agreement) bool {
	for party := range old.parties {
		if r.signed[next.digest][party] == "" {
			return false
		}
	}
	return true
}

// alone is the first day on which a successor stands without what it replaces.
func (r *register) alone(next *agreement, berlin *time.Location) string {
	term, _ := next.body.get("term")
	last := ""
	for party := range next.parties {
		last = max(last, r.signed[next.digest][party])
	}
	signed, _ := instant(last)
	return max(term.str("from"), signed.In(berlin).AddDate(0, 0, 2).Format(time.DateOnly))
}

// statusUnder: of one whose last day is the one before that on which its successor stands alone.
func statusUnder(old value, alone string, at time.Time) string {
	term, _ := old.get("term")
	if alone < term.str("from") {
		return "ended"
	}
	first, _ := time.Parse(time.DateOnly, alone)
	return runningOff(term, first.AddDate(0, 0, -1), at.Format(time.DateOnly))
}
