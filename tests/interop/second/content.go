package main

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// content is what a payload says of itself, as the record must say it too (step 10).
type content struct {
	Grounds    []string `json:"grounds"`
	Categories []string `json:"data_categories"`
	Entrusted  string   `json:"entrusted"`
	HandoverAt string   `json:"handover_at"`
}

// read holds a payload to the schema of its type and version, and finds what the record must say.
func (l *learnt) read(kind string, version int64, payload string) (*content, error) {
	rule, known := l.schemas["urn:meldeweg:schema:"+kind+":"+strconv.FormatInt(version, 10)]
	if !known {
		return nil, refused("schema-unknown")
	}
	v, err := strict(payload, 32)
	if err != nil || !(schema{rule}).fits(rule, v) {
		return nil, refused("schema-invalid")
	}
	grounds, _ := v.get("grounds")
	made := &content{Grounds: texts(grounds), Entrusted: v.str("entrusted")}
	handover, _ := v.get("handover")
	if at, err := time.Parse(time.RFC3339, handover.str("at")); err == nil {
		made.HandoverAt = at.UTC().Truncate(time.Millisecond).Format(instantWrite)
	}
	made.Categories = categories(kind, version, v, made)
	return made, nil
}

// content is step 10.
func (r *reading) content(record value, payload string) error {
	said, err := r.read(record.str("type"), record.int("version"), payload)
	if err != nil {
		return err
	}
	grounds, _ := record.get("grounds")
	held, _ := record.get("data_categories")
	same := slices.Equal(texts(grounds), said.Grounds) && slices.Equal(texts(held), said.Categories) &&
		record.str("entrusted") == said.Entrusted && record.str("handover_at") == said.HandoverAt
	return is(same, "record-contradicts")
}

// holds is the table of § 6: places of a payload and the category that is there once they are filled.
var holds = func() [][2]string {
	var rows [][2]string
	for category, places := range map[string]string{
		"identity": `P/family_name P/given_names P/former_name P/date_of_birth P/address
			children/*/age_estimated`,
		"contact":       `P/phone children/*/whereabouts/phone`,
		"whereabouts":   `where children/*/whereabouts children/*/school_or_daycare adults/*/whereabouts_note`,
		"family":        `more_children custodians_cooperate children/*/lives_with adults/*/relation adults/*/custody adults/*/in_household`,
		"incident":      `incident facts children/*/present adults/*/part`,
		"health":        `P/condition children/*/injuries children/*/medical_needs`,
		"substance-use": `P/substance_use`,
		"offence":       `adults/*/offence`,
		"measures":      `measures`,
		"assessment":    `assessments why_now`,
		"safety":        `safety`,
	} {
		for _, each := range fields(places) {
			if rest, person := strings.CutPrefix(each, "P/"); person {
				rows = append(rows, [2]string{"children/*/" + rest, category}, [2]string{"adults/*/" + rest, category})
				continue
			}
			rows = append(rows, [2]string{each, category})
		}
	}
	return rows
}()

func categories(kind string, version int64, v value, said *content) []string {
	found := map[string]bool{}
	for _, each := range holds {
		if filled(v, strings.Split(each[0], "/")) {
			found[each[1]] = true
		}
	}
	answers, _ := v.get("answers")
	for _, each := range answers.items {
		found[each.str("subject")] = true
	}
	changes, _ := v.get("changes")
	for _, each := range changes.items {
		category := each.str("category")
		if category == "" {
			category = "incident"
		}
		found[category] = true
	}
	if slices.Contains(said.Grounds, "sexual-violence") {
		found["sexual-violence"] = true
	}
	if said.Entrusted != "" && said.Entrusted != "none" {
		found["entrusted"] = true
	}
	var sorted []string
	for each := range found {
		sorted = append(sorted, each)
	}
	slices.Sort(sorted)
	return sorted
}

// filled: there, and neither null nor an empty list.
func filled(v value, path []string) bool {
	if len(path) == 0 {
		return v.kind != null && (v.kind != list || len(v.items) > 0)
	}
	if path[0] == "*" {
		return slices.ContainsFunc(v.items, func(each value) bool { return filled(each, path[1:]) })
	}
	found, ok := v.get(path[0])
	return ok && filled(found, path[1:])
}

// learn takes holidays.json and the schemas of schemas/ for the questions that follow.
func (s *session) learn(q question) error {
	s.schemas = map[string]value{}
	for _, each := range q.Schemas {
		read, err := strict(each, 32)
		if err != nil {
			return err
		}
		s.schemas[read.str("$id")] = read
	}
	return json.Unmarshal(q.Value, &s.holidays)
}

// told answers what one payload says of itself.
func (s *session) told(q question, a *answer) error {
	found, err := s.read(q.Kind, q.Number, q.Text)
	if err != nil {
		return err
	}
	written, err := json.Marshal(found)
	a.Text = string(written)
	return err
}
