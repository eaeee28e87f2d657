package main

import (
	"encoding/json"
	"slices"
	"time"
)

// facts of one message: what its context and its record say (message.md, § 12).
type facts struct {
	At          string
	Signed      bool // by every party
	From        string
	To          string
	Type        string
	Grounds     []string
	Categories  []string `json:"data_categories"`
	Labels      bool
	Entrusted   *string
	Places      map[string]string
	HandoverAt  *string `json:"handover_at"`
	Urgency     *string
	Override    bool
	Exercise    bool
	Original    *reference
	created     time.Time
	inOrder     []value // the clauses of the document
	runOff      bool
	sender, own value // the parties
}

type reference struct {
	From, To, Type string
	Exercise       bool
}

// permit is what the covering function says where no rule fails.
type permit struct {
	Status      string   `json:"status"`
	Clauses     []string `json:"clauses"`
	LegalBasis  []string `json:"legal_basis"`
	Purpose     string   `json:"purpose"`
	CaseUrgency string   `json:"case_urgency"`
	Urgency     string   `json:"urgency"`
	AckBy       string   `json:"ack_by"`
	DeleteAfter string   `json:"delete_after"`
	LinkedCopy  *string  `json:"linked_copy_to"`
	Waived      []string `json:"waived"`
}

type noPermit struct {
	Status      string  `json:"status"`
	Rule        string  `json:"rule"`
	Responsible *string `json:"responsible,omitempty"`
}

// broken is a rule that failed.
type broken struct {
	rule        string
	responsible *string
}

func (b *broken) Error() string { return b.rule }

var urgencies = []string{"immediate", "today", "routine"} // the most urgent first

func more(a, b string) string {
	if slices.Index(urgencies, a) <= slices.Index(urgencies, b) {
		return a
	}
	return b
}

// policy answers one question: a document, the facts of a message and the holidays come in.
func policy(q question, a *answer) error {
	document, err := strict(q.Text, 32)
	if err != nil {
		return err
	}
	var f facts
	if err := json.Unmarshal(q.Key, &f); err != nil {
		return err
	}
	days := map[string]map[string][]string{}
	if err := json.Unmarshal(q.Value, &days); err != nil {
		return err
	}
	f.created, _ = instant(f.At)
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		return err
	}
	status := statusAt(document, f.Signed, f.created.In(berlin))
	var said any
	found, failed := f.covered(document, status, calendar{document, days, berlin})
	if failed != nil {
		said = noPermit{status, failed.rule, failed.responsible}
	} else {
		found.Status = status
		said = found
	}
	written, err := json.Marshal(said)
	a.Text = string(written)
	return err
}

func statusAt(document value, signed bool, at time.Time) string {
	term, _ := document.get("term")
	day := at.Format(time.DateOnly)
	until := term.str("until")
	switch {
	case !signed:
		return "draft"
	case day < term.str("from"):
		return "future"
	case until == "":
		return "in-force"
	}
	last, _ := time.Parse(time.DateOnly, until)
	return runningOff(term, last, day)
}

func runningOff(term value, last time.Time, day string) string {
	switch {
	case day <= last.Format(time.DateOnly):
		return "in-force"
	case day <= last.AddDate(0, 0, int(term.int("run_off_days"))).Format(time.DateOnly):
		return "run-off"
	}
	return "ended"
}

func (f *facts) covered(document value, status string, days calendar) (*permit, *broken) {
	parties, _ := document.get("parties")
	clauses, _ := document.get("clauses")
	f.inOrder, f.runOff = clauses.items, status == "run-off"
	if rule := f.parties(parties, status); rule != "" {
		return nil, &broken{rule: rule}
	}
	if !f.refers() {
		return nil, &broken{rule: "reference-not-fitting"}
	}
	chosen, rule := f.choose()
	if rule == "" {
		rule = f.entrusted(chosen)
	}
	if rule != "" {
		return nil, &broken{rule: rule}
	}
	isLead, copyTo, failed := f.responsible(chosen[0], parties)
	if failed != nil {
		return nil, failed
	}
	urgent := f.caseUrgency(chosen)
	waived, rule := f.administration(chosen, urgent)
	if rule != "" {
		return nil, &broken{rule: rule}
	}
	made := &permit{CaseUrgency: urgent, Urgency: urgent, LinkedCopy: copyTo, Waived: waived}
	if !isLead && urgent == "immediate" {
		made.Urgency = "today"
	}
	made.Purpose = chosen[0].str("purpose")
	for _, each := range chosen {
		made.Clauses = append(made.Clauses, each.str("id"))
		basis, _ := each.get("legal_basis")
		for _, one := range basis.items {
			if !slices.Contains(made.LegalBasis, one.text) {
				made.LegalBasis = append(made.LegalBasis, one.text)
			}
		}
	}
	keep := int(document.int("keep_months"))
	made.DeleteAfter = time.Date(f.created.Year(), f.created.Month()+time.Month(keep+1), 1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
	made.AckBy = days.earliest(f, chosen, made.Urgency).UTC().Format(instantWrite)
	return made, nil
}

// parties is rule 1.
func (f *facts) parties(parties value, status string) string {
	var isParty [2]bool
	for _, each := range parties.items {
		if each.str("agency") == f.From {
			f.sender, isParty[0] = each, true
		}
		if each.str("agency") == f.To {
			f.own, isParty[1] = each, true
		}
	}
	switch {
	case f.From == f.To:
		return "same-agency"
	case !isParty[0]:
		return "sender-not-party"
	case !isParty[1]:
		return "recipient-not-party"
	}
	return map[string]string{
		"draft": "agreement-unsigned", "future": "agreement-not-begun", "ended": "agreement-ended",
	}[status]
}

// refers is rule 2.
func (f *facts) refers() bool {
	o := f.Original
	if referring[f.Type] && o != nil && o.Exercise != f.Exercise {
		return false
	}
	switch f.Type {
	case "reply":
		return o != nil && o.From == f.To && o.To == f.From && o.Type != "retraction"
	case "correction", "retraction":
		again := f.Type == "correction" && o != nil && o.Type == "correction"
		return o != nil && o.From == f.From && o.To == f.To && o.Type != "retraction" && !again
	}
	return true
}

// has says whether a list has the text, or is the word "any".
func has(v value, name, wanted string) bool {
	found, there := v.get(name)
	return !there || found.kind == text && found.text == "any" || lists(v, name, wanted)
}

func lists(v value, name, wanted string) bool {
	found, _ := v.get(name)
	return slices.ContainsFunc(found.items, func(one value) bool { return one.text == wanted })
}

func yes(v value, name string) bool {
	found, _ := v.get(name)
	return found.truth
}

// entrusted is rule 4.
func (f *facts) entrusted(chosen []value) string {
	for _, each := range chosen {
		section, _ := each.get("section_65")
		switch {
		case f.Entrusted == nil && len(f.Categories) > 0 && yes(section, "must_declare"):
			return "section-65-undeclared"
		case f.Entrusted == nil || *f.Entrusted == "none":
			if slices.Contains(f.Categories, "entrusted") {
				return "section-65-undeclared"
			}
		case !lists(section, "grounds", *f.Entrusted):
			return "section-65-refused"
		}
	}
	return ""
}

// responsible is rule 5: whether the recipient leads, and who gets a linked copy.
func (f *facts) responsible(leading, parties value) (bool, *string, *broken) {
	if f.Places == nil {
		return true, nil, nil
	}
	names := []string{"place", "residence"}
	if leading.str("leads") == "residence" {
		slices.Reverse(names)
	}
	var found []string
	for _, name := range names {
		ags, named := f.Places[name]
		if !named {
			continue
		}
		for _, each := range parties.items {
			if each.str("kind") == f.own.str("kind") && lists(each, "municipalities", ags) {
				found = append(found, each.str("agency"))
			}
		}
	}
	if len(found) == 0 {
		return false, nil, &broken{rule: "outside-district"}
	}
	lead := found[0]
	var linked *string
	if yes(leading, "linked_copy") {
		for _, other := range found[1:] {
			if linked == nil && other != lead && other != f.From {
				linked = &other
			}
		}
	}
	if f.To == lead {
		return true, linked, nil
	}
	if linked != nil && f.To == *linked {
		return false, nil, nil
	}
	return false, nil, &broken{"not-responsible", &lead}
}

func (f *facts) caseUrgency(chosen []value) string {
	said := "routine"
	if f.Urgency != nil {
		said = *f.Urgency
	}
	for _, each := range chosen {
		urgency, _ := each.get("urgency")
		if f.Urgency == nil {
			said = more(said, urgency.str("default"))
		}
		said = more(said, urgency.str("least"))
	}
	return said
}

// administration is rule 6: what an override passed, or the rule that failed.
func (f *facts) administration(chosen []value, urgent string) ([]string, string) {
	failed := []string{}
	runsOff := !slices.ContainsFunc(chosen, func(v value) bool { return !yes(v, "runs_off") })
	if f.runOff && f.Type != "correction" && f.Type != "retraction" && !runsOff {
		failed = append(failed, "agreement-run-off")
	}
	wanted := slices.ContainsFunc(chosen, func(v value) bool { return yes(v, "labels_required") })
	if !f.Labels && len(f.Categories) > 0 && wanted {
		failed = append(failed, "labels-missing")
	}
	if len(failed) > 0 && !(f.Override && urgent == "immediate") {
		return nil, failed[0]
	}
	return failed, ""
}
