package main

import "time"

type agreement struct {
	digest  string
	body    value
	parties map[string]string // agency → kid of the identity key that must sign
}

const agreementMost = 512 << 10

// The document need not be in signed form; its members are those of § 12, in any order.
func (r *register) document(said string) error {
	bad := refused("agreement-malformed")
	if len(said) > agreementMost {
		return bad
	}
	v, err := strict(said, 32)
	if err != nil || v.kind != object {
		return bad
	}
	rule, known := r.schemas["urn:meldeweg:schema:agreement:1"]
	if !known || !(schema{rule}).fits(rule, v) {
		return bad
	}
	if !isWhole(v) {
		return refused("agreement-contradicts")
	}
	made := &agreement{hexHash([]byte(said)), v, map[string]string{}}
	for _, each := range items(v, "parties") {
		made.parties[each.str("agency")] = each.str("identity")
	}
	r.agreements[made.digest] = made
	return nil
}

// oneOfEachKind: each municipality belongs to exactly one party of each kind.
func oneOfEachKind(v value) bool {
	municipalities, _ := v.get("municipalities")
	parties, _ := v.get("parties")
	owners := map[string]int{}
	for _, party := range parties.items {
		of, _ := party.get("municipalities")
		for _, each := range of.items {
			if _, ok := municipalities.get(each.text); !ok {
				return false
			}
			owners[party.str("kind")+" "+each.text]++
		}
	}
	for _, each := range municipalities.members {
		if owners["police "+each.name] != 1 || owners["youth-office "+each.name] != 1 {
			return false
		}
	}
	return len(municipalities.members) > 0
}

func (r *register) agree(token *jws, body value) error {
	agency, digest := body.str("agency"), body.str("agreement")
	document, ok := r.agreements[digest]
	if !ok {
		return early
	}
	pinned, party := document.parties[agency]
	if !party {
		return refused("signer-not-party")
	}
	if err := r.byIdentity(token, agency); err != nil {
		return err
	}
	if r.agencies[agency].identity.kid != pinned {
		return refused("signature-key-mismatch")
	}
	if r.signed[digest] == nil {
		r.signed[digest] = map[string]string{}
	}
	if first, again := r.signed[digest][agency]; !again || body.str("at") < first {
		r.signed[digest][agency] = body.str("at") // instants sort as text
	}
	return nil
}

// allSigned says whether all parties have signed, by what they state at most on the day after.
func (r *register) allSigned(digest string, at time.Time) bool {
	day := at.AddDate(0, 0, 1).Format(time.DateOnly)
	for party := range r.agreements[digest].parties {
		signed, ok := instant(r.signed[digest][party])
		if !ok || signed.In(at.Location()).Format(time.DateOnly) > day {
			return false
		}
	}
	return true
}

// party is what a receipt needs of step 9: an agreement that counts, and both are parties.
func (r *register) party(context value) error {
	digest := context.str("agreement")
	document, ok := r.agreements[digest]
	if !ok {
		return refused("agreement-unknown")
	}
	created, _ := instant(context.str("created"))
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		return err
	}
	if !r.allSigned(digest, created.In(berlin)) {
		return refused("agreement-unsigned")
	}
	if _, ok := document.parties[context.str("from")]; !ok {
		return refused("sender-not-party")
	}
	_, ok = document.parties[context.str("to")]
	return is(ok, "recipient-not-party")
}
