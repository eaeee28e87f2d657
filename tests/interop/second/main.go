package main

import (
	"archive/zip"
	"bufio"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// question has the fields of all operations; each uses its own.
type question struct {
	Op string

	Jwk, Jwe, Kind, Token, Anchor string   // keys, envelopes, tokens
	Aad                           []byte   //
	Text                          string   // of JSON, a note, a checkpoint, a manifest
	Depth                         int      //
	Me, Now                       string   // who judges, and when
	Opens                         []string // private JWKs
	Trust                         []posting
	Records                       []record
	Nodes                         []string // texts of refused.json, as they stand there
	Again                         bool     // keep the register of the question before
	Alone                         bool     // judge each record as if it were the first
	Schemas                       []string
	Vkeys, Seen                   []string
	Dir, Before, Origin, Level    string
	TopicID, Key, Value, Leaf     []byte // leaves; a null is a null
	Headers                       [][2][]byte
	Offset, Year                  uint64
	Previous, OldRoot             []byte
	Number, Index, Size, Old      int64
	Width                         int
	Proof                         [][]byte
}

type posting struct{ Topic, Value string }

// answer of one operation.
type answer struct {
	OK       bool      `json:"ok"`
	Why      string    `json:"why,omitempty"`
	Step     int       `json:"step,omitempty"`
	Text     string    `json:"text,omitempty"`
	Bytes    []byte    `json:"bytes,omitempty"`
	Other    []byte    `json:"other,omitempty"`
	Found    *found    `json:"found,omitempty"`
	Each     []answer  `json:"each,omitempty"`
	Findings []finding `json:"findings,omitempty"`
	Size     int64     `json:"size,omitempty"`
	Waiting  int       `json:"waiting,omitempty"`
	Contra   bool      `json:"contradicts,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	out := json.NewEncoder(os.Stdout)
	s := &session{}
	for lines.Scan() {
		var q question
		err := json.Unmarshal(lines.Bytes(), &q)
		a := answer{}
		if err == nil {
			err = s.ask(q, &a)
		}
		if err := out.Encode(verdict(a, err)); err != nil {
			os.Exit(1)
		}
	}
}

func verdict(a answer, err error) answer {
	a.OK = err == nil
	if why, ok := err.(*refusal); ok {
		a.Why, a.Step = why.code, why.step
	} else if err != nil {
		a.Why = "broken: " + err.Error()
	}
	return a
}

// session keeps the view that the last `trust` question built, and what it was given to read.
type session struct {
	view *register
	learnt
}

// learnt is what the project has written down: holidays.json (§ 12) and the schemas of schemas/.
type learnt struct {
	holidays map[string]map[string][]string // land → year → MM-DD
	schemas  map[string]value               // by `$id`
}

func (s *session) ask(q question, a *answer) error {
	switch q.Op {
	case "json":
		_, err := strict(string(q.Value), q.Depth)
		return err
	case "base64url":
		_, err := b64u(string(q.Value))
		return err
	case "key":
		return s.key(q, a)
	case "token":
		return token(q, a)
	case "open":
		return openOne(q, a)
	case "schedule":
		return scheduled(q, a)
	case "trust":
		return s.trust(q, a)
	case "learn":
		return s.learn(q)
	case "content":
		return s.told(q, a)
	case "records":
		return s.records(q, a)
	case "policy":
		return policy(q, a)
	case "officer":
		return officer(q, a)
	case "texts":
		return told(q, a)
	}
	return log(q, a)
}

func (s *session) key(q question, a *answer) error {
	jwk, err := strict(q.Jwk, 8)
	if err != nil {
		return err
	}
	if _, secret := jwk.get("priv"); secret {
		key, err := privateKey(jwk)
		if err == nil {
			a.Text = key.kid
		}
		return err
	}
	key, err := publicKey(jwk)
	if err == nil {
		a.Text = key.kid
	}
	return err
}

// token verifies a JWS of this kind by this key, and reads its payload where it has a table.
func token(q question, a *answer) error {
	jwk, err := strict(q.Jwk, 1)
	if err != nil {
		return err
	}
	key, err := publicKey(jwk)
	if err != nil {
		return err
	}
	made, err := parseJWS(q.Token, q.Kind)
	if err != nil {
		return err
	}
	a.Text = made.payload
	return made.verify(key)
}

func opener(said string) (*openKey, error) {
	jwk, err := strict(said, 1)
	if err != nil {
		return nil, err
	}
	return privateKey(jwk)
}

func openOne(q question, a *answer) error {
	key, err := opener(q.Jwk)
	if err != nil {
		return err
	}
	sealed, err := parseEnvelope(q.Jwe)
	if err != nil {
		return err
	}
	a.Bytes, err = sealed.open(key, q.Aad)
	return err
}

// scheduled gives steps 1 to 4 for another suite, as foreign vectors have it: key and nonce.
func scheduled(q question, a *answer) error {
	key, err := opener(q.Jwk)
	if err != nil {
		return err
	}
	if len(q.Value) != 1120 {
		return refused("envelope-malformed")
	}
	ss, err := key.decapsulate(q.Value)
	if err == nil {
		a.Bytes, a.Other = schedule(ss, q.Key, q.Leaf)
		a.Text = toB64u(ss)
	}
	return err
}

// trust builds a register from the anchor and from what lies on the topics of trust.
func (s *session) trust(q question, a *answer) error {
	jwk, err := strict(q.Anchor, 1)
	if err != nil {
		return err
	}
	anchor, err := publicKey(jwk)
	if err != nil {
		return err
	}
	if !q.Again {
		s.view = newRegister(anchor, &s.learnt)
	}
	for _, each := range q.Trust {
		a.Each = append(a.Each, verdict(answer{}, s.view.take(each.Topic, each.Value)))
	}
	a.Waiting, a.Contra = len(s.view.waiting), s.view.contradicted()
	return nil
}

// records judges records of inboxes (as `Me`) and of events.
func (s *session) records(q question, a *answer) error {
	now, err := time.Parse(time.RFC3339, q.Now)
	if err != nil {
		return err
	}
	who := &reading{me: q.Me, view: s.view, now: now, learnt: &s.learnt}
	forget := func() { who.digest, who.known = map[string]string{}, map[string]*reference{} }
	forget()
	for _, each := range q.Opens {
		key, err := opener(each)
		if err != nil {
			return err
		}
		who.opens = append(who.opens, key)
	}
	for _, each := range q.Records {
		one := answer{}
		if q.Alone {
			forget()
		}
		if strings.HasPrefix(each.Topic, "events.") {
			body, err := s.view.told(each, now)
			one.Text = body.str("kind")
			a.Each = append(a.Each, verdict(one, err))
			continue
		}
		found, err := who.judge(each)
		one.Found = found
		a.Each = append(a.Each, verdict(one, err))
	}
	return nil
}

// officer opens the record of a value as a data protection officer does, from statement and value.
func officer(q question, a *answer) error {
	key, err := opener(q.Jwk)
	if err != nil {
		return err
	}
	made, err := parseJWS(q.Token, "statement")
	if err != nil {
		return err
	}
	context, err := readContext(made.payload)
	if err != nil {
		return err
	}
	a.Text, err = opened(q.Text, made.payload, context.str("record_sha256"), key)
	return err
}

// log is the operations of audit-log.md.
func log(q question, a *answer) error {
	var err error
	switch q.Op {
	case "leaf":
		var headers []header
		for _, each := range q.Headers {
			headers = append(headers, header{each[0], each[1]})
		}
		a.Bytes = leafOf(q.TopicID, q.Offset, q.Key, headers, q.Value)
	case "genesis":
		a.Bytes = genesisOf(q.Origin, q.Year, q.Previous)
	case "read-leaf":
		_, err = parseLeaf(q.Leaf)
	case "leaf-hash":
		a.Bytes = leafHash(q.Leaf)
	case "root":
		a.Bytes = rootOf(q.Proof)
	case "inclusion":
		if err := areHashes(append(q.Proof, q.Leaf)...); err != nil {
			return err
		}
		a.Bytes, err = inclusion(q.Index, q.Size, q.Leaf, q.Proof)
	case "consistency":
		if err := areHashes(append(q.Proof, q.OldRoot)...); err != nil {
			return err
		}
		a.Bytes, a.Other, err = consistency(q.Old, q.Size, q.OldRoot, q.Proof, true)
	case "tile":
		a.Text = tilePath(q.Level, q.Number, q.Width)
	case "bundle":
		_, err = bundle(q.Value, q.Width)
	case "note":
		var keys []*verifier
		for _, each := range q.Vkeys {
			key, bad := readVerifier(each)
			if bad != nil {
				return bad
			}
			keys = append(keys, key)
		}
		a.Text, err = readNote(q.Text, keys...)
	case "checkpoint":
		_, err = readCheckpoint(q.Text)
	case "manifest":
		_, err = readManifest(q.Text)
	case "export":
		return exported(q, a)
	default:
		return refused("question-unknown")
	}
	return err
}

// exported verifies a directory or a zip; nothing outside of it can be named.
func exported(q question, a *answer) error {
	files, opened, err := placed(q.Dir)
	if err != nil {
		return err
	}
	defer opened.Close()
	made := &export{files: files}
	if q.Before != "" {
		older, opened, err := placed(q.Before)
		if err != nil {
			return err
		}
		defer opened.Close()
		made.older = before(older, q.Vkeys)
	}
	made.verify(q.Vkeys, q.Seen)
	a.Findings, a.Size = made.findings, int64(len(made.leaves))
	err = made.broken()
	if made.older != nil { // what is wrong in it is told as its own
		of := made.older.broken()
		a.Each = []answer{verdict(answer{Findings: made.older.findings, Size: int64(len(made.older.leaves))}, of)}
		if err == nil {
			err = of
		}
	}
	return err
}

func placed(path string) (fs.FS, io.Closer, error) {
	if strings.HasSuffix(path, ".zip") {
		archive, err := zip.OpenReader(path)
		return archive, archive, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, nil, err
	}
	return root.FS(), root, nil
}

func (e *export) broken() error {
	for _, each := range e.findings {
		if !each.Notice {
			return &refusal{each.What, each.Step}
		}
	}
	return nil
}
