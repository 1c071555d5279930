package tpch

import (
	"strings"
	"sync"
)

const (
	poolBytes = 300 << 20
	poolSeed  = 933588178
	sentence  = 256 // bytes at most
)

// pool is the text of clause 4.2.2.10.
var pool = sync.OnceValue(func() []byte { return makeText(poolBytes) })

// weighted is a distribution of words.
type weighted struct {
	words []string
	pick  []uint16 // by the value drawn: index into words
}

// words reads lines of a word, which may hold spaces, and its weight.
func words(list string) weighted {
	var w weighted
	for entry := range strings.SplitSeq(list, "\n") {
		cut := strings.LastIndexByte(entry, ' ')
		weight := 0
		for _, c := range entry[cut+1:] {
			weight = 10*weight + int(c-'0')
		}
		for range weight {
			w.pick = append(w.pick, uint16(len(w.words)))
		}
		w.words = append(w.words, entry[:cut])
	}
	return w
}

func (w *weighted) draw(s *stream) string {
	return w.words[w.pick[s.between(0, int64(len(w.pick))-1)]]
}

// each gives all words of a comma list the same weight.
func each(weight, list string) string {
	return strings.ReplaceAll(list, ",", weight+"\n") + weight
}

// The grammar of clause 4.2.2.14. N, V, P and T are a noun phrase, a verb phrase, a prepositional phrase and the end of the
// sentence; in phrases J, D, N, V and X are an adjective, an adverb, a noun, a verb and an auxiliary. The space behind
// "without" is dbgen's.
var (
	sentences   = words("NVT 3\nNVPT 3\nNVNT 3\nNPVNT 1\nNPVPT 1")
	nounPhrases = words("N 10\nJN 20\nJ,JN 10\nDJN 50")
	verbPhrases = words("V 30\nXV 1\nVD 40\nXVD 1")

	nouns = words(strings.Join([]string{
		each(" 40", "packages,requests,accounts,deposits"),
		each(" 20", "foxes,ideas,theodolites,pinto beans,instructions"),
		each(" 10", "dependencies,excuses,platelets,asymptotes"),
		each(" 5", "courts,dolphins"),
		each(" 1", "multipliers,sauternes,warthogs,frets,dinos,attainments,somas,Tiresias,patterns,forges,braids,frays,warhorses,"+
			"dugouts,notornis,epitaphs,pearls,tithes,waters,orbits,gifts,sheaves,depths,sentiments,decoys,realms,pains,grouches,"+
			"escapades,hockey players"),
	}, "\n"))
	verbs = words(strings.Join([]string{
		each(" 20", "sleep,wake,are,cajole,haggle"),
		each(" 10", "nag,use,boost"),
		each(" 5", "affix,detect,integrate"),
		each(" 1", "maintain,nod,was,lose,sublate,solve,thrash,promise,engage,hinder,print,x-ray,breach,eat,grow,impress,mold,"+
			"poach,serve,run,dazzle,snooze,doze,unwind,kindle,play,hang,believe,doubt"),
	}, "\n"))
	adverbs = words(strings.Join([]string{
		each(" 1", "sometimes,always,never"),
		each(" 50", "furiously,slyly,carefully"),
		"blithely 40", "quickly 30", "fluffily 20",
		each(" 1", "slowly,quietly,ruthlessly,thinly,closely,doggedly,daringly,bravely,stealthily,permanently,enticingly,idly,"+
			"busily,regularly,finally,ironically,evenly,boldly,silently"),
	}, "\n"))
	adjectives = words(strings.Join([]string{
		each(" 20", "special,pending,unusual,express"),
		each(" 1", "furious,sly,careful,blithe,quick,fluffy,slow,quiet,ruthless,thin,close,dogged,daring,brave,stealthy,"+
			"permanent,enticing,idle,busy"),
		"regular 50", each(" 40", "final,ironic"), "even 30", "bold 20", "silent 10",
	}, "\n"))
	prepositions = words(strings.Join([]string{
		each(" 50", "about,above,according to,across,after"),
		each(" 40", "against,along"), each(" 30", "alongside of,among"), "around 20", "at 10",
		each(" 1", "atop,before,behind,beneath,beside,besides,between,beyond,by,despite,during,except,for,from,in place of,inside,"+
			"instead of,into,near,of,on,outside,over,past,since,through,throughout,to,toward,under,until,up,upon,without ,with,within"),
	}, "\n"))
	auxiliaries = words(each(" 1", "do,may,might,shall,will,would,can,could,should,ought to,must,will have to,shall have to,"+
		"could have to,should have to,must have to,need to,try to"))
	terminators = words(". 50\n; 1\n: 1\n? 1\n! 1\n-- 1")
)

// makeText is the first size bytes of the text.
func makeText(size int) []byte {
	s := newStream(poolSeed, 0)
	b := make([]byte, 0, size+sentence)
	for len(b) < size {
		b = appendSentence(b, &s)
	}
	return b[:size]
}

func appendSentence(b []byte, s *stream) []byte {
	for _, c := range []byte(sentences.draw(s)) {
		switch c {
		case 'N':
			b = appendPhrase(b, s, nounPhrases.draw(s), &nouns)
		case 'V':
			b = appendPhrase(b, s, verbPhrases.draw(s), &verbs)
		case 'P':
			b = append(append(b, prepositions.draw(s)...), " the "...)
			b = appendPhrase(b, s, nounPhrases.draw(s), &nouns)
		case 'T':
			b = append(append(b[:len(b)-1], terminators.draw(s)...), ' ')
		}
	}
	return b
}

// appendPhrase adds the words of a phrase, each with a space behind it.
func appendPhrase(b []byte, s *stream, rule string, head *weighted) []byte {
	for _, c := range []byte(rule) {
		from := head
		switch c {
		case 'J':
			from = &adjectives
		case 'D':
			from = &adverbs
		case 'X':
			from = &auxiliaries
		case ',':
			b = append(b[:len(b)-1], ", "...)
			continue
		}
		b = append(append(b, from.draw(s)...), ' ')
	}
	return b
}
