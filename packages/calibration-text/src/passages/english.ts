import { type Passage, WRITTEN_HERE } from "../passage.ts";

export const english: readonly Passage[] = [
  {
    name: "tides",
    kind: "prose",
    language: "English",
    source: WRITTEN_HERE,
    text: `The tide does not simply rise and fall like water in a bath. The Moon pulls a little harder on the near side of the Earth than on its centre, and a little less on the far side, so the oceans are stretched along the line that joins the two bodies. As the Earth turns beneath these two bulges, most coasts see two high waters in a lunar day of about 24 hours and 50 minutes. The Sun does the same with less than half the strength. When both act along one line, at new and full moon, spring tides run high and low; a week later, with the Sun at right angles, neap tides hardly move the boats in the harbour.

The shape of the coast matters as much as the sky. In a long bay the water sloshes with a period of its own, and if this period is close to twelve hours, each tide gives the swing another push. This is why the Bay of Fundy can see a difference of more than fifteen metres, while much of the Mediterranean rises by less than a hand's breadth.`,
  },
  {
    name: "origin-of-species",
    kind: "prose",
    language: "English",
    source: "Charles Darwin, On the Origin of Species (1859)",
    text: `It is interesting to contemplate an entangled bank, clothed with many plants of many kinds, with birds singing on the bushes, with various insects flitting about, and with worms crawling through the damp earth, and to reflect that these elaborately constructed forms, so different from each other, and dependent on each other in so complex a manner, have all been produced by laws acting around us. […] There is grandeur in this view of life, with its several powers, having been originally breathed into a few forms or into one; and that, whilst this planet has gone cycling on according to the fixed law of gravity, from so simple a beginning endless forms most beautiful and most wonderful have been, and are being, evolved.`,
  },
  {
    name: "night-train",
    kind: "prose",
    language: "English",
    source: WRITTEN_HERE,
    text: `"You're late," said the stationmaster, without looking up from his crossword.

"The train's later," Mina answered, and put her suitcase down so hard that one of its locks sprang open. Rain drummed on the tin roof. Somewhere along the line a signal changed from red to green, although nothing came.

He filled in a word, frowned, rubbed it out again. "Seven letters. 'A thing that keeps its promise.'"

"Nothing keeps its promise in November."

"That's not seven letters, I'm afraid." He pushed the paper towards her across the counter, together with half a biscuit on a saucer. She hadn't meant to laugh, but she did; and when, twenty minutes afterwards, two yellow lamps finally swam out of the dark, they'd solved everything except the top left corner, and neither of them got up at once.`,
  },
  {
    name: "pride-and-prejudice",
    kind: "prose",
    language: "English",
    source: "Jane Austen, Pride and Prejudice (1813)",
    text: `It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife.

However little known the feelings or views of such a man may be on his first entering a neighbourhood, this truth is so well fixed in the minds of the surrounding families, that he is considered as the rightful property of some one or other of their daughters.

"My dear Mr. Bennet," said his lady to him one day, "have you heard that Netherfield Park is let at last?"

Mr. Bennet replied that he had not.`,
  },
  {
    name: "library-notice",
    kind: "prose",
    language: "English",
    source: WRITTEN_HERE,
    text: `NOTICE TO READERS

From Monday, 3 March, the reading room on the second floor will be closed for repairs to the windows. We expect the work to take about five weeks. During this time:

  • newspapers and magazines can be read in the café on the ground floor (open 9:30 a.m. to 6 p.m.);
  • books ordered from the stacks will be handed out at Desk 4;
  • the microfilm readers cannot be used at all. We're sorry!

Loans that fall due between 3 March and 7 April are extended automatically, so there is no need to phone. If you have booked a study cubicle, you should have received an e-mail with an alternative; if you haven't, please ask any member of staff. Fees for late returns remain 20p per day, up to a maximum of £4.00 per item.`,
  },
  {
    name: "gettysburg",
    kind: "prose",
    language: "English",
    source: "Abraham Lincoln, address at Gettysburg (1863)",
    text: `Four score and seven years ago our fathers brought forth on this continent, a new nation, conceived in Liberty, and dedicated to the proposition that all men are created equal.

Now we are engaged in a great civil war, testing whether that nation, or any nation so conceived and so dedicated, can long endure. We are met on a great battle-field of that war. We have come to dedicate a portion of that field, as a final resting place for those who here gave their lives that that nation might live. It is altogether fitting and proper that we should do this.`,
  },
  {
    name: "fever-and-antibiotics",
    kind: "prose",
    language: "English",
    source: WRITTEN_HERE,
    text: `Abstract. Antibiotics act on structures or processes that bacteria have and human cells lack: the peptidoglycan wall, the 70S ribosome, the enzymes of folate synthesis. Viruses offer none of these targets, which is why a common cold does not respond to penicillin. Each use of an antibiotic nevertheless favours those bacteria in the body that happen to withstand it. Resistance may come from a changed target, from pumps that remove the drug, or from enzymes (such as β-lactamases) that cut it apart, and the genes for all three can travel between species on plasmids. We summarise measures that slow this spread: narrow-spectrum agents where the pathogen is known, the shortest course with proven benefit, vaccination, and plain hand washing.`,
  },
  {
    name: "tyger",
    kind: "verse",
    language: "English",
    source: "William Blake, The Tyger (1794)",
    text: `Tyger Tyger, burning bright,
In the forests of the night;
What immortal hand or eye,
Could frame thy fearful symmetry?

In what distant deeps or skies,
Burnt the fire of thine eyes?
On what wings dare he aspire?
What the hand, dare seize the fire?`,
  },
  {
    name: "contract-clause",
    kind: "prose",
    language: "English",
    source: WRITTEN_HERE,
    text: `7. Termination

7.1 Either party may terminate this Agreement for convenience by giving the other not less than ninety (90) days' notice in writing.

7.2 A party may terminate with immediate effect if the other (a) commits a material breach which is incapable of remedy, or which it fails to remedy within thirty (30) days of being required to do so; or (b) becomes unable to pay its debts as they fall due.

7.3 Clauses 4 (Confidentiality), 9 (Limitation of liability) and 12 (Governing law) survive termination howsoever arising. Nothing in this Agreement excludes liability for fraud or for death or personal injury caused by negligence.`,
  },
  {
    name: "match-report",
    kind: "prose",
    language: "English",
    source: WRITTEN_HERE,
    text: `The home side needed eleven off the last over and somehow found twelve. Until then it had been a quiet afternoon of singles and sandwiches, the pitch too slow for strokes and the outfield too wet for boundaries. The captain walked in at 94 for 6, blocked fourteen balls in a row, and was told by someone in a deckchair to get on with it. He did. A sweep went for four, a top edge flew over the keeper's head, and with one ball left the scores were level. What followed will be described in the pavilion as a cover drive; honest witnesses saw a thick inside edge, a shout of "Run!", and a stump lying on the grass half a second too late.`,
  },
  {
    name: "moby-dick",
    kind: "prose",
    language: "English",
    source: "Herman Melville, Moby-Dick (1851)",
    text: `Call me Ishmael. Some years ago—never mind how long precisely—having little or no money in my purse, and nothing particular to interest me on shore, I thought I would sail about a little and see the watery part of the world. It is a way I have of driving off the spleen and regulating the circulation.`,
  },
  {
    name: "why-prices-move",
    kind: "prose",
    language: "English",
    source: WRITTEN_HERE,
    text: `A price carries news. When frost ruins half of the coffee harvest, nobody has to send a letter to every kitchen: the price goes up, some people switch to tea, some roasters use up their stocks, and growers in other regions plant more trees. None of them needs to know about the frost. But the news can be wrong. If buyers expect a shortage, they may hoard, and the hoarding itself produces the shortage they feared. Economists call such a belief self-fulfilling. It is also worth asking who is not heard: a price reports only the wishes of those who can pay, and says nothing about smoke, noise, or a river that nobody owns.`,
  },
];
