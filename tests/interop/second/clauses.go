package main

import "slices"

// fitting are the clauses of a direction and type.
func (f *facts) fitting(kind string) []value {
	var found []value
	for _, each := range f.inOrder {
		way, _ := each.get("direction")
		from := way.str("from") == "any" || way.str("from") == f.sender.str("kind")
		to := way.str("to") == "any" || way.str("to") == f.own.str("kind")
		if from && to && lists(each, "types", kind) {
			found = append(found, each)
		}
	}
	return found
}

// choose is rule 3: the chosen clauses, sorted, the leading one first.
func (f *facts) choose() ([]value, string) {
	fitting := f.fitting(f.Type)
	if fitting == nil {
		return nil, "type-not-covered"
	}
	if f.Type == "reply" && f.Original.Type != "" {
		fitting = slices.DeleteFunc(fitting, func(v value) bool { return !lists(v, "replies_to", f.Original.Type) })
		if len(fitting) == 0 {
			return nil, "reference-not-fitting"
		}
	}
	grounds := f.Grounds
	if len(grounds) == 0 {
		grounds = []string{""} // for which only "any" will do
	}
	var chosen []value
	whole := false
	if f.runOff {
		off := slices.DeleteFunc(slices.Clone(fitting), func(v value) bool { return !yes(v, "runs_off") })
		chosen, whole = forEach(grounds, off)
	}
	if !whole {
		chosen, whole = forEach(grounds, fitting)
	}
	if !whole {
		return nil, "ground-not-covered"
	}
	f.sort(chosen)
	for _, category := range f.Categories {
		refuses := func(v value) bool { return !has(v, "data_categories", category) }
		if slices.ContainsFunc(chosen, refuses) {
			return nil, "data-category-not-covered"
		}
	}
	if f.Type == "correction" && len(f.Categories) > 0 && f.beyondOriginal() {
		return nil, "data-category-not-covered"
	}
	return chosen, ""
}

// beyondOriginal says whether a correction tells what the corrected message may not have told.
func (f *facts) beyondOriginal() bool {
	back := f.sender.str("kind") == "youth-office" && f.own.str("kind") == "police"
	if back && slices.Contains(f.Categories, "case-course") {
		return true
	}
	allows := func(clause value) bool {
		missing := func(category string) bool { return !has(clause, "data_categories", category) }
		return !slices.ContainsFunc(f.Categories, missing)
	}
	kinds := []string{f.Original.Type}
	if f.Original.Type == "" { // erased
		kinds = []string{"notification", "inquiry", "reply", "request.immediate-action"}
	}
	ofKind := func(kind string) bool { return slices.ContainsFunc(f.fitting(kind), allows) }
	return !slices.ContainsFunc(kinds, ofKind)
}

// forEach gives each ground its clause; false where one is left over.
func forEach(grounds []string, fitting []value) ([]value, bool) {
	var chosen []value
	for _, ground := range grounds {
		best, rank := value{}, 99
		for _, each := range fitting {
			if !has(each, "grounds", ground) {
				continue
			}
			its := 0
			if !lists(each, "grounds", ground) {
				its += 2
			}
			if each.str("obligation") != "duty" {
				its++
			}
			if its < rank {
				best, rank = each, its
			}
		}
		if rank == 99 {
			return nil, false
		}
		if !slices.ContainsFunc(chosen, func(v value) bool { return v.str("id") == best.str("id") }) {
			chosen = append(chosen, best)
		}
	}
	return chosen, true
}

func (f *facts) sort(chosen []value) {
	order := func(v value) []int {
		urgency, _ := v.get("urgency")
		permission := 0
		if v.str("obligation") != "duty" {
			permission = 1
		}
		place := slices.IndexFunc(f.inOrder, func(one value) bool { return one.str("id") == v.str("id") })
		return []int{
			slices.Index(urgencies, urgency.str("least")), slices.Index(urgencies, urgency.str("default")),
			permission, place,
		}
	}
	slices.SortStableFunc(chosen, func(a, b value) int { return slices.Compare(order(a), order(b)) })
}
