import { type Passage, WRITTEN_HERE } from "../passage.ts";

export const tables: readonly Passage[] = [
  {
    name: "planets",
    kind: "table",
    language: "Markdown",
    source: WRITTEN_HERE,
    text: `| Planet  | Mean distance (AU) | Year (days) | Radius (km) | Known moons |
|---------|-------------------:|------------:|------------:|:-----------:|
| Mercury |               0.39 |        88.0 |       2,440 |      0      |
| Venus   |               0.72 |       224.7 |       6,052 |      0      |
| Earth   |               1.00 |       365.3 |       6,371 |      1      |
| Mars    |               1.52 |       687.0 |       3,390 |      2      |
| Jupiter |               5.20 |     4,332.6 |      69,911 |     > 90    |
| Saturn  |               9.54 |    10,759   |      58,232 |    > 140    |
| Uranus  |              19.19 |    30,687   |      25,362 |     > 25    |
| Neptune |              30.07 |    60,190   |      24,622 |     > 13    |`,
  },
  {
    name: "departures",
    kind: "table",
    language: "English",
    source: WRITTEN_HERE,
    text: `DEPARTURES                                   Sat 09 Aug  16:42
Time   Train    Destination            Platf.  Remarks
16:44  RE 4711  Seehausen                3     on time
16:51  IC 218   Grünau – Wien Hbf        7     +12 min
17:02  S 3      Airport                  1     on time
17:05  RB 66    Altmühltal               5     cancelled
17:10  EC 94    Zürich HB – Milano C.le  9     coaches in reverse order`,
  },
  {
    name: "river-levels",
    kind: "table",
    language: "English",
    source: WRITTEN_HERE,
    text: ` gauge      |  date      | level_cm | trend   | warning
------------+------------+----------+---------+---------
 Mill Weir  | 2024-01-04 |      312 | rising  | t
 Old Bridge | 2024-01-04 |      187 | steady  | f
 Old Bridge | 2024-01-05 |      241 | rising  | f
 Stonebeck  | 2024-01-05 |          | unknown |
(4 rows)`,
  },
  {
    name: "balance-sheet",
    kind: "table",
    language: "English",
    source: WRITTEN_HERE,
    text: `                             2023        2022      change
                           (€ '000)    (€ '000)        (%)
Revenue                      8,412       7,960        +5.7
Cost of materials           (3,105)     (3,044)       +2.0
Personnel                   (3,288)     (3,012)       +9.2
Other operating costs       (1,190)     (1,245)       −4.4
                            ———————     ———————
Operating result               829         659       +25.8
Interest                      (114)        (98)      +16.3
                            ———————     ———————
Result before tax              715         561       +27.5`,
  },
];

export const lists: readonly Passage[] = [
  {
    name: "packing-list",
    kind: "list",
    language: "English",
    source: WRITTEN_HERE,
    text: `# Three days in the hills – what to pack

- [x] Rain jacket, even if the forecast is good
- [x] Two litres of water per person
- [ ] Map (1:25,000) and compass; phones run out
- [ ] First-aid kit
  - plasters in several sizes
  - elastic bandage
  - tweezers for ticks
- [ ] Food
  1. oats, nuts, dried apricots
  2. bread and hard cheese
  3. *one* bar of chocolate for emergencies, i.e. for the first evening
- [ ] Head torch + spare batteries

> Tell someone where you are going and when you will be back.`,
  },
  {
    name: "changelog",
    kind: "list",
    language: "Markdown",
    source: WRITTEN_HERE,
    text: `## 2.4.0 – 2024-09-17

### Added
- Dark theme (#312). It follows the setting of the operating system.
- \`export\` accepts \`-o -\` and then writes to standard output.

### Fixed
- Dates before 1970 were shown one day early in time zones west of Greenwich (#298, #305).
- A crash on files that end without a newline.

### Deprecated
- The option \`useLegacyParser\`; it will be removed in 3.0. See the [migration guide](docs/migrate.md).`,
  },
  {
    name: "glossary",
    kind: "list",
    language: "English",
    source: WRITTEN_HERE,
    text: `albedo (n.) – the share of light that a surface reflects; fresh snow about 0.85, dark forest about 0.1
firn (n.) – old snow on the way to becoming glacier ice
fjord (n.) – a drowned valley that a glacier has carved
isobar (n.) – a line on a map that joins places of equal air pressure
katabatic (adj.) – of a wind: flowing downhill because cold air is heavy
loess (n.) – fine dust laid down by wind, often very fertile
moraine (n.) – rubble that a glacier pushes along or leaves behind
permafrost (n.) – ground that stays frozen for at least two years
wadi (n.) – a river bed that is dry most of the year`,
  },
  {
    name: "formats-and-symbols",
    kind: "list",
    language: "English",
    source: WRITTEN_HERE,
    text: `Dates: 4 July 1997 · 07/04/1997 (US) · 04.07.1997 (DE) · 1997-07-04 (ISO 8601) · 平成9年7月4日
Numbers: 1,234,567.89 (UK) · 1.234.567,89 (DE) · 1 234 567,89 (FR) · 12,34,567.89 (IN) · 1'234'567.89 (CH)
Money: £12.50 · 12,50 € · ¥1,900 · ₹1,050 · CHF 11.80 · US$13.20
Units: 5 ft 11 in ≈ 180 cm · 72 °F ≈ 22 °C · 1 mi ≈ 1.609 km · 3 µm · 10⁻⁹ s · 50 kHz · 9.81 m/s²
Time: 7:30 p.m. = 19:30 · UTC+05:45 · 1 h 07 min 12 s
Symbols: → ← ↑ ↓ ✓ ✗ ★ ☂ ♪ § ¶ † © ™ … — – ‰ ≠ ≤ ≥ ± × ÷ ∞ 🙂 🚲 🌍 👩‍🔬`,
  },
  {
    name: "quiz",
    kind: "list",
    language: "English",
    source: WRITTEN_HERE,
    text: `1. Which gas makes up most of the Earth's atmosphere?
   A) oxygen   B) nitrogen   C) carbon dioxide   D) argon
2. Which of these animals is not a mammal?
   A) bat   B) dolphin   C) penguin   D) platypus
3. In which century was the printing press with movable metal type introduced in Europe?
   A) 13th   B) 14th   C) 15th   D) 16th
4. What is the chemical symbol of potassium?
   A) P   B) Po   C) Pt   D) K
Answers: 1 B, 2 C, 3 C, 4 D`,
  },
];
