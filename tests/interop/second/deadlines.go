package main

import (
	"slices"
	"time"
)

// calendar tells the working days of an agreement (message.md, § 12).
type calendar struct {
	document value
	holidays map[string]map[string][]string // land → year → MM-DD
	berlin   *time.Location
}

// earliest deadline of those chosen clauses that have one for this urgency.
func (c calendar) earliest(f *facts, chosen []value, urgency string) time.Time {
	var first time.Time
	for _, each := range chosen {
		deadlines, _ := each.get("deadlines")
		found, _ := deadlines.get(urgency)
		if !there(deadlines, urgency) {
			continue
		}
		due := c.due(f.created, found)
		if handover, _ := each.get("handover_deadline"); there(each, "handover_deadline") && f.phoned() {
			if later := c.due(f.created, handover); later.After(due) {
				due = later
			}
		}
		if first.IsZero() || due.Before(first) {
			first = due
		}
	}
	return first
}

// phoned: by telephone at most 24 hours before and 5 minutes after.
func (f *facts) phoned() bool {
	if f.HandoverAt == nil {
		return false
	}
	at, _ := instant(*f.HandoverAt)
	before := f.created.Sub(at)
	return before <= 24*time.Hour && before >= -5*time.Minute
}

func (c calendar) due(from time.Time, deadline value) time.Time {
	if there(deadline, "minutes") {
		return from.Add(time.Duration(deadline.int("minutes")) * time.Minute)
	}
	local := from.In(c.berlin)
	left := deadline.int("working_days")
	by, _ := time.Parse("15:04", deadline.str("by"))
	at := func(day time.Time) time.Time {
		return time.Date(day.Year(), day.Month(), day.Day(), by.Hour(), by.Minute(), 0, 0, c.berlin)
	}
	if left == 0 {
		lead := time.Duration(deadline.int("lead_minutes")) * time.Minute
		if c.works(local) && !local.After(at(local).Add(-lead)) {
			return at(local)
		}
		left = 1
	}
	day := local
	for left > 0 {
		day = day.AddDate(0, 0, 1)
		if c.works(day) {
			left--
		}
	}
	return at(day)
}

func (c calendar) works(day time.Time) bool {
	if day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
		return false
	}
	rules, _ := c.document.get("calendar")
	said := day.Format("01-02")
	return !lists(rules, "closed", said) && !slices.Contains(c.holidays[rules.str("land")][day.Format("2006")], said)
}
