package main

import (
	"strings"
)

// counter is one count of one sender: for one recipient, since one start of its gateway.
type counter struct{ from, to, outbox string }

type pair struct{ from, to string }

type beat struct {
	agency         string
	sent, received []claim
}

type claim struct {
	counter
	n int64
}

// numbers is step 6: each sender's numbers have no holes, and heartbeats claim nothing that is not
// there.
func (e *export) numbers() {
	seen := map[counter]map[int64]bool{}
	missing := map[pair]int64{}
	most := map[counter]int64{}
	beats := map[string][]beat{}
	gone := map[counter]map[int64]bool{} // numbers that their sender gave up
	for _, each := range e.counted() {
		if !each.shown {
			continue
		}
		if place, ok := strings.CutPrefix(each.topic, "inbox."); ok {
			to, from, _ := strings.Cut(place, ".")
			count, n, ok := numbered(each.statement, from, to)
			if !ok {
				continue
			}
			if seen[count] == nil {
				seen[count], most[count] = map[int64]bool{}, n
			}
			seen[count][n] = true
			most[count] = max(most[count], n)
		}
		if agency, ok := strings.CutPrefix(each.topic, "events."); ok {
			if said, ok := heartbeat(each.statement, agency); ok {
				beats[agency] = append(beats[agency], said)
			}
			if count, n, ok := givenUp(each.statement, agency); ok {
				if gone[count] == nil {
					gone[count] = map[int64]bool{}
				}
				gone[count][n] = true
			}
		}
	}
	first := e.isFirst()
	received := map[counter]map[int64]bool{} // what recipients say they have: nobody gave that up
	for _, said := range beats {
		for i, each := range said {
			for _, claimed := range each.received {
				if i >= len(said)-2 {
					continue
				}
				if received[claimed.counter] == nil {
					received[claimed.counter] = map[int64]bool{}
				}
				received[claimed.counter][claimed.n] = true
			}
		}
	}
	for count, numbers := range gone {
		for n := range numbers {
			if received[count][n] {
				delete(numbers, n)
			}
		}
	}
	begins := beginnings(beats)
	for count, found := range seen {
		begin, known := begins[count]
		if first {
			begin, known = 0, true
		}
		if !known || most[count] <= begin {
			continue
		}
		lacking := most[count] - begin - e.excused(gone[count], found, begin+1, most[count])
		for n := range found {
			if n > begin {
				lacking--
			}
		}
		missing[pair{count.from, count.to}] += lacking
	}
	unseen := map[counter]int64{} // claimed as received beyond the last number that is there
	for _, said := range beats {
		for i, each := range said {
			newest := i >= len(said)-2
			for _, claimed := range each.received {
				begin, told := begins[claimed.counter]
				if first {
					begin, told = 0, true
				}
				switch there := seen[claimed.counter][claimed.n]; {
				case there || !told || claimed.n <= begin:
				case newest:
					e.notice(6, "not-yet-in-log")
				case claimed.n > max(most[claimed.counter], unseen[claimed.counter], begin): // holes below count already
					between := pair{claimed.from, claimed.to}
					known := max(most[claimed.counter], unseen[claimed.counter], begin)
					// the claimed number itself was received, whatever its sender says
					excused := e.excused(gone[claimed.counter], nil, known+1, claimed.n-1)
					missing[between] += claimed.n - known - excused
					unseen[claimed.counter] = claimed.n
				}
			}
			for _, claimed := range each.sent {
				begin, told := begins[claimed.counter]
				if first {
					begin, told = 0, true
				}
				behind := max(most[claimed.counter], begin)
				if !told || claimed.n <= behind {
					continue
				}
				if e.excused(gone[claimed.counter], nil, behind+1, claimed.n) == claimed.n-behind {
					continue
				}
				if newest {
					e.notice(6, "not-yet-in-log")
				} else {
					e.notice(6, "claimed-not-in-log")
				}
			}
		}
	}
	for between, n := range missing {
		if n > 0 {
			e.find(6, "number-missing %s %s %d", between.from, between.to, n)
		}
	}
}

// beginnings says of each count that its sender's heartbeats name which number may be the last of an
// earlier log: what its first three say, and none where a later one names it first.
func beginnings(beats map[string][]beat) map[counter]int64 {
	found := map[counter]int64{}
	for _, said := range beats {
		for i, each := range said {
			for _, claimed := range each.sent {
				first := claimed.n
				if i > 2 {
					first = 0
				}
				found[claimed.counter] = max(found[claimed.counter], first)
			}
		}
	}
	return found
}

// excused counts the numbers from first to last that are not there because they were given up.
func (e *export) excused(gone, there map[int64]bool, first, last int64) int64 {
	var count int64
	for n := range gone {
		if n >= first && n <= last && !there[n] {
			count++
		}
	}
	if count > 0 {
		e.notice(6, "number-given-up")
	}
	return count
}

func isZero(raw []byte) bool {
	return strings.Trim(string(raw), "\x00") == ""
}

// body reads the payload of a token of this kind, or of any. The log does not judge signatures
// (§ 11), so neither signature nor form of the rest matters here.
func body(token, kind string) (value, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return value{}, false
	}
	head, err1 := b64u(parts[0])
	payload, err2 := b64u(parts[1])
	if err1 != nil || err2 != nil {
		return value{}, false
	}
	header, err1 := strict(string(head), 1)
	said, err2 := strict(string(payload), payloadDepth)
	known := kind == "" || header.str("typ") == "meldeweg."+kind+".v1+jws"
	return said, err1 == nil && err2 == nil && known
}

func numbered(token, from, to string) (counter, int64, bool) {
	context, ok := body(token, "")
	seq, _ := context.get("seq")
	ok = ok && context.str("from") == from && context.str("to") == to && sequence(seq)
	return counter{from, to, seq.str("outbox")}, seq.int("n"), ok
}

func givenUp(token, agency string) (counter, int64, bool) {
	said, ok := body(token, "event")
	seq, _ := said.get("seq")
	partner := said.str("partner")
	ok = ok && said.str("agency") == agency && said.str("kind") == "undeliverable" && agencyForm.MatchString(partner) && sequence(seq)
	return counter{agency, partner, seq.str("outbox")}, seq.int("n"), ok
}

func heartbeat(token, agency string) (beat, bool) {
	said, ok := body(token, "heartbeat")
	made := beat{agency: agency}
	sent, _ := said.get("sent")
	received, _ := said.get("received")
	if !ok || said.str("agency") != agency || !counters(sent) || !counters(received) {
		return made, false
	}
	for _, each := range sent.members {
		made.sent = append(made.sent, claim{counter{agency, each.name, each.value.str("outbox")}, each.value.int("n")})
	}
	for _, each := range received.members {
		made.received = append(made.received, claim{counter{each.name, agency, each.value.str("outbox")}, each.value.int("n")})
	}
	return made, true
}
