import { type Passage, WRITTEN_HERE } from "../passage.ts";

export const russian: readonly Passage[] = [
  {
    name: "winter-station",
    kind: "prose",
    language: "Russian",
    source: WRITTEN_HERE,
    text: `На метеостанции зимовали трое: начальник, радист и собака по кличке Компас. Каждые три часа кто-нибудь из людей надевал полушубок, брал фонарь и шёл к приборам, чтобы записать температуру, давление, направление и силу ветра. В январе ртуть опускалась ниже пятидесяти градусов, дыхание звенело, а следы за ночь исчезали без остатка. «Зачем всё это, — спросил однажды радист, — если за нас давно считают спутники?» Начальник долго молчал, потом показал на полку, где стояли журналы за семьдесят лет. «Спутник видит сегодня, — ответил он. — А мы помним, каким было вчера».`,
  },
  {
    name: "anna-karenina",
    kind: "prose",
    language: "Russian",
    source: "Leo Tolstoy, Anna Karenina (1878)",
    text: `Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему.

Все смешалось в доме Облонских. Жена узнала, что муж был в связи с бывшею в их доме француженкою-гувернанткой, и объявила мужу, что не может жить с ним в одном доме.`,
  },
  {
    name: "magnetic-field",
    kind: "prose",
    language: "Russian",
    source: WRITTEN_HERE,
    text: `Магнитное поле Земли создаётся во внешнем ядре — слое расплавленного железа толщиной более двух тысяч километров. Движение проводящей жидкости порождает токи, токи поддерживают поле, а вращение планеты упорядочивает потоки. Магнитный полюс не совпадает с географическим и смещается на десятки километров в год, поэтому на картах указывают поправку — магнитное склонение. За последние 80 миллионов лет поле меняло знак не одну сотню раз; последняя такая смена произошла примерно 780 тысяч лет назад.`,
  },
  {
    name: "ruslan-and-ludmila",
    kind: "verse",
    language: "Russian",
    source: "Alexander Pushkin, Ruslan and Ludmila (1828)",
    text: `У лукоморья дуб зелёный;
Златая цепь на дубе том:
И днём и ночью кот учёный
Всё ходит по цепи кругом;
Идёт направо — песнь заводит,
Налево — сказку говорит.`,
  },
];

export const ukrainianAndPolish: readonly Passage[] = [
  {
    name: "testament",
    kind: "verse",
    language: "Ukrainian",
    source: "Taras Shevchenko, Testament (1845)",
    text: `Як умру, то поховайте
Мене на могилі,
Серед степу широкого,
На Вкраїні милій,
Щоб лани широкополі,
І Дніпро, і кручі
Було видно, було чути,
Як реве ревучий.`,
  },
  {
    name: "mushroom-picking",
    kind: "prose",
    language: "Polish",
    source: WRITTEN_HERE,
    text: `We wrześniu cała wieś rusza do lasu. Najpierw idą starsi, którzy znają miejsca i nikomu ich nie zdradzają; za nimi dzieci z wiklinowymi koszykami. Zasada jest prosta: czego się nie zna, tego się nie zbiera. Prawdziwki suszy się na nitce nad piecem, rydze smaży na maśle, a kurki – żółte jak żółtko – wrzuca do jajecznicy. Wieczorem wszyscy opowiadają, ile znaleźli, i wszyscy trochę przesadzają.`,
  },
  {
    name: "pan-tadeusz",
    kind: "verse",
    language: "Polish",
    source: "Adam Mickiewicz, Pan Tadeusz (1834)",
    text: `Litwo! Ojczyzno moja! ty jesteś jak zdrowie.
Ile cię trzeba cenić, ten tylko się dowie,
Kto cię stracił. Dziś piękność twą w całej ozdobie
Widzę i opisuję, bo tęsknię po tobie.`,
  },
];
