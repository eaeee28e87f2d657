package main

import (
	"slices"
	"strings"
)

// What § 12 asks of an agreement as a whole, where a schema can't.

var (
	officeKinds = fields("police youth-office")
	amendments  = fields("correction retraction")
)

// there: a member that says something; null says the same as none.
func there(v value, name string) bool {
	found, ok := v.get(name)
	return ok && found.kind != null
}

func items(v value, name string) []value {
	found, _ := v.get(name)
	return found.items
}

// isWhole says whether a document that fits its schema does not contradict itself.
func isWhole(v value) bool {
	term, _ := v.get("term")
	if until := term.str("until"); until != "" && until < term.str("from") {
		return false
	}
	if term.int("run_off_days") < (v.int("keep_months")+1)*31 {
		return false
	}
	district, _ := v.get("district")
	municipalities, _ := v.get("municipalities")
	for _, each := range municipalities.members {
		if !strings.HasPrefix(each.name, district.str("ags")) {
			return false
		}
	}
	clauses, parties := items(v, "clauses"), items(v, "parties")
	return unlikeIn(clauses, "id") && unlikeIn(parties, "agency") && unlikeIn(parties, "identity") &&
		oneOfEachKind(v) && canBeCorrected(clauses) &&
		!slices.ContainsFunc(clauses, func(each value) bool { return !canBeCarriedOut(each) })
}

func unlikeIn(all []value, name string) bool {
	var found []value
	for _, each := range all {
		one, _ := each.get(name)
		found = append(found, one)
	}
	return distinct(found)
}

func covers(clause value, from, to string) bool {
	way, _ := clause.get("direction")
	return slices.Contains([]string{from, "any"}, way.str("from")) && slices.Contains([]string{to, "any"}, way.str("to"))
}

func canBeCorrected(clauses []value) bool {
	for _, from := range officeKinds {
		for _, to := range officeKinds {
			said := map[string]bool{}
			for _, clause := range clauses {
				if !covers(clause, from, to) {
					continue
				}
				for _, each := range items(clause, "types") {
					said[each.text] = true
				}
			}
			if len(said) > 0 && slices.ContainsFunc(amendments, func(kind string) bool { return !said[kind] }) {
				return false
			}
		}
	}
	return true
}

func isDeadline(v value) bool {
	minutes := there(v, "minutes")
	return minutes != there(v, "working_days") && minutes != there(v, "by")
}

func canBeCarriedOut(clause value) bool {
	deadlines, _ := clause.get("deadlines")
	urgency, _ := clause.get("urgency")
	entrusted, _ := clause.get("section_65")
	way, _ := clause.get("direction")
	least, usual := slices.Index(urgencies, urgency.str("least")), slices.Index(urgencies, urgency.str("default"))
	for at, each := range urgencies {
		its, _ := deadlines.get(each)
		if !there(deadlines, each) {
			if at <= least {
				return false
			}
		} else if !isDeadline(its) {
			return false
		}
	}
	if own, _ := clause.get("handover_deadline"); there(clause, "handover_deadline") && !isDeadline(own) {
		return false
	}
	for _, each := range items(entrusted, "grounds") {
		toPolice := way.str("to") != "youth-office" && !slices.Contains(fields("consent professional-secret"), each.text)
		if each.text == "none" || toPolice {
			return false
		}
	}
	reply := lists(clause, "types", "reply")
	_, listed := clause.get("data_categories")
	tells := !listed || has(clause, "data_categories", "case-course")
	return usual <= least && (!yes(clause, "linked_copy") || there(deadlines, "today")) &&
		reply == (len(items(clause, "replies_to")) > 0) &&
		!(reply && covers(clause, "youth-office", "police") && tells) &&
		(!yes(clause, "labels_required") || way.str("from") == "police")
}
