package main

import (
	"crypto/ed25519"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// tolerance of all comparisons of terms (§ 11).
const tolerance = 26 * time.Hour

type enrolment struct {
	body     value
	identity *signKey
	at       time.Time
}

type certificate struct {
	use         string
	key         *signKey
	from, until time.Time // of the validity of what it signed
	at          time.Time
}

type standing struct {
	status string
	n      int64
}

// register is everything that follows from the anchor; it never asks who showed it an object.
type register struct {
	anchor     *signKey
	agencies   map[string]enrolment
	services   map[string]value // by service and kid: the certified body
	withdrawn  map[string]bool  // likewise
	standings  map[string]standing
	keys       map[string]map[string]certificate
	revoked    map[string]map[string]bool
	reads      map[string]value
	readsBy    map[string]string // the key that signed it
	agreements map[string]*agreement
	signed     map[string]map[string]string // agreement → party → when
	chains     map[string][][]byte
	waiting    []posted
	newest     value // the snapshot with the highest `n`
	*learnt
}

type posted struct{ topic, value string }

func newRegister(anchor *signKey, read *learnt) *register {
	return &register{
		anchor: anchor, agencies: map[string]enrolment{}, services: map[string]value{}, withdrawn: map[string]bool{},
		standings: map[string]standing{}, keys: map[string]map[string]certificate{},
		revoked: map[string]map[string]bool{}, reads: map[string]value{}, readsBy: map[string]string{},
		agreements: map[string]*agreement{}, signed: map[string]map[string]string{},
		chains: map[string][][]byte{}, learnt: read,
	}
}

// kinds that may lie on a topic (§ 3).
func kindsOn(topic string) []string {
	switch {
	case topic == "registry.agencies":
		return fields("enrolment service-key status")
	case strings.HasPrefix(topic, "keys."):
		return fields("key key-revoked reads")
	case topic == "registry.agreements":
		return fields("agreement-signature")
	case topic == "registry.snapshots":
		return fields("snapshot")
	}
	return nil
}

// early marks what waits for a signer that is not known yet.
var early = refused("early")

// take applies a value, and then again what waited; returns why it is refused, or `early`.
func (r *register) take(topic, said string) error {
	if topic != "registry.snapshots" {
		chain := r.chains[topic]
		last := make([]byte, 32)
		if len(chain) > 0 {
			last = chain[len(chain)-1]
		}
		r.chains[topic] = append(chain, hash(last, hash([]byte(said))))
	}
	err := r.apply(topic, said)
	if err == early {
		r.waiting = append(r.waiting, posted{topic, said})
	}
	for settled := err == nil; settled; {
		settled = false
		r.waiting = slices.DeleteFunc(r.waiting, func(each posted) bool {
			again := r.apply(each.topic, each.value)
			settled = settled || again == nil
			return again != early
		})
	}
	return err
}

func (r *register) apply(topic, said string) error {
	if topic == "registry.agreements" && strings.HasPrefix(said, "{") {
		return r.document(said)
	}
	token, err := parseJWS(said, kindsOn(topic)...)
	if err != nil {
		return err
	}
	body, err := readSigned(token.payload, tables[token.kind], "object-malformed")
	if err != nil {
		return err
	}
	if owner, own := strings.CutPrefix(topic, "keys."); own && body.str("agency") != owner {
		return refused("topic-contradicts")
	}
	at, _ := instant(body.str("at"))
	switch token.kind {
	case "enrolment":
		return r.enrol(token, body, at)
	case "service-key":
		return r.service(token, body, at)
	case "status":
		return r.status(token, body, at)
	case "key":
		return r.certify(token, body, at)
	case "key-revoked":
		return r.revoke(token, body)
	case "reads":
		return r.read(token, body, at)
	case "agreement-signature":
		return r.agree(token, body)
	}
	return r.snapshot(token, body, at)
}

func (r *register) enrol(token *jws, body value, at time.Time) error {
	if err := token.verify(r.anchor); err != nil {
		return err
	}
	agency := body.str("agency")
	jwk, _ := body.get("identity")
	identity, err := publicKey(jwk)
	if err != nil || identity.key == nil || body.str("principal") != "gw-"+agency {
		return refused("object-malformed")
	}
	known, ok := r.agencies[agency]
	if ok && known.identity.kid != identity.kid {
		return refused("identity-changed")
	}
	if !ok || !at.Before(known.at) {
		r.agencies[agency] = enrolment{body, identity, at}
	}
	return nil
}

func (r *register) service(token *jws, body value, at time.Time) error {
	if err := token.verify(r.anchor); err != nil {
		return err
	}
	jwk, _ := body.get("key")
	key, err := publicKey(jwk)
	until, _ := instant(body.str("verify_until"))
	if err != nil || key.key == nil {
		return refused("object-malformed")
	}
	place := body.str("service") + " " + key.kid
	if !until.After(at) {
		r.withdrawn[place] = true
	}
	known, ok := r.services[place]
	if before, _ := instant(known.str("at")); ok && at.Before(before) {
		return nil
	}
	r.services[place] = body
	return nil
}

// byService verifies with the certified key of this service, at the object's own time.
func (r *register) byService(token *jws, service string, at time.Time) error {
	body, ok := r.services[service+" "+token.kid]
	if !ok {
		return early
	}
	if r.withdrawn[service+" "+token.kid] {
		return refused("key-revoked")
	}
	jwk, _ := body.get("key")
	key, err := publicKey(jwk)
	if err != nil {
		return err
	}
	from, _ := instant(body.str("not_before"))
	until, _ := instant(body.str("verify_until"))
	if !within(at, from, until) {
		return refused("key-expired")
	}
	return token.verify(key)
}

func within(at, from, until time.Time) bool {
	return !at.Before(from.Add(-tolerance)) && !at.After(until.Add(tolerance))
}

func (r *register) status(token *jws, body value, at time.Time) error {
	agency, said := body.str("agency"), body.str("status")
	enrolled, ok := r.agencies[agency]
	switch {
	case !ok:
		return early
	case token.kid == r.anchor.kid:
		if err := token.verify(r.anchor); err != nil {
			return err
		}
	case said == "revoked":
		if err := token.verify(enrolled.identity); err != nil {
			return err
		}
	default:
		if err := r.byService(token, "registry", at); err != nil {
			return err
		}
	}
	now, known := r.standings[agency]
	if !known || now.status != "revoked" && (said == "revoked" || body.int("n") > now.n) {
		r.standings[agency] = standing{said, body.int("n")}
	}
	return nil
}

// byIdentity verifies with the identity key of an enrolled agency.
func (r *register) byIdentity(token *jws, agency string) error {
	enrolled, ok := r.agencies[agency]
	if !ok {
		return early
	}
	return token.verify(enrolled.identity)
}

func (r *register) certify(token *jws, body value, at time.Time) error {
	agency := body.str("agency")
	if err := r.byIdentity(token, agency); err != nil {
		return err
	}
	jwk, _ := body.get("key")
	key, err := publicKey(jwk)
	from, _ := instant(body.str("not_before"))
	useUntil, _ := instant(body.str("use_until"))
	until, _ := instant(body.str("valid_until"))
	if err != nil || !from.Before(useUntil) || useUntil.After(until) {
		return refused("object-malformed")
	}
	if (key.key != nil) != (body.str("use") == "sign") {
		return refused("object-malformed")
	}
	if r.keys[agency] == nil {
		r.keys[agency] = map[string]certificate{}
	}
	if known, ok := r.keys[agency][key.kid]; ok && at.Before(known.at) {
		return nil // owners publish again what they ever published, in any order
	}
	r.keys[agency][key.kid] = certificate{body.str("use"), key, from, until, at}
	return nil
}

func (r *register) revoke(token *jws, body value) error {
	agency := body.str("agency")
	if err := r.byIdentity(token, agency); err != nil {
		return err
	}
	if r.revoked[agency] == nil {
		r.revoked[agency] = map[string]bool{}
	}
	r.revoked[agency][body.str("kid")] = true
	if r.readsBy[agency] == body.str("kid") {
		delete(r.reads, agency)
	}
	return nil
}

func (r *register) read(token *jws, body value, at time.Time) error {
	agency := body.str("agency")
	key, err := r.signer(agency, token.kid, at)
	if why, ok := err.(*refusal); ok && slices.Contains(earlyCodes, why.code) {
		return early
	} else if err != nil {
		return err
	}
	if err := token.verify(key); err != nil {
		return err
	}
	before, _ := instant(r.reads[agency].str("at"))
	if !at.Before(before) {
		r.reads[agency], r.readsBy[agency] = body, token.kid
	}
	return nil
}

func (r *register) snapshot(token *jws, body value, at time.Time) error {
	if err := r.byService(token, "registry", at); err != nil {
		return err
	}
	if body.int("n") >= r.newest.int("n") {
		r.newest = body
	}
	return nil
}

// contradicted: the newest snapshot says other than what lies here, whichever came first.
func (r *register) contradicted() bool {
	topics, _ := r.newest.get("topics")
	return slices.ContainsFunc(topics.members, func(each member) bool {
		end, chain := each.value.int("end"), r.chains[each.name]
		want := strings.Repeat("0", 64)
		if end > int64(len(chain)) {
			return false // this reader has not seen that much yet
		}
		if end > 0 {
			want = hex.EncodeToString(chain[end-1])
		}
		return each.value.str("digest") != want
	})
}

// earlyCodes of step 2: what my view may still learn.
var earlyCodes = fields("agency-unknown signer-unknown key-not-yet-valid")

// signer is step 2's question: the key with which `agency` may have signed, at `now`.
func (r *register) signer(agency, kid string, now time.Time) (*signKey, error) {
	if _, ok := r.agencies[agency]; !ok {
		return nil, refused("agency-unknown")
	}
	known, ok := r.keys[agency][kid]
	switch {
	case !ok:
		return nil, refused("signer-unknown")
	case known.use != "sign":
		return nil, refused("key-use-wrong")
	case r.revoked[agency][kid]:
		return nil, refused("key-revoked")
	case now.Before(known.from.Add(-tolerance)):
		return nil, refused("key-not-yet-valid")
	case now.After(known.until.Add(tolerance)):
		return nil, refused("key-expired")
	case len(known.key.key) != ed25519.PublicKeySize:
		return nil, refused("key-use-wrong")
	}
	return known.key, nil
}

func (r *register) isOversight(agency, kid string) bool {
	known, ok := r.keys[agency][kid]
	return ok && known.use == "oversight"
}
