import { type Passage, WRITTEN_HERE } from "../passage.ts";

export const moreLanguages: readonly Passage[] = [
  {
    name: "dikes",
    kind: "prose",
    language: "Dutch",
    source: WRITTEN_HERE,
    text: `Wie langs de dijk fietst, ziet aan de ene kant het water en aan de andere kant, een paar meter lager, de daken van het dorp. Dat went nooit helemaal. De sloten, gemalen en sluizen zijn al eeuwen oud, maar het werk is nooit af: de bodem daalt, de zeespiegel stijgt en de muskusrat graaft gewoon door. Daarom loopt er elke week iemand van het waterschap met een prikstok over het gras, op zoek naar zachte plekken.`,
  },
  {
    name: "lake-ice",
    kind: "prose",
    language: "Swedish",
    source: WRITTEN_HERE,
    text: `När isen lägger sig på sjön hörs den innan den syns: ett lågt, sjungande ljud som vandrar från strand till strand. Först bär den en råka, sedan en räv, och efter en vecka med tio minusgrader drar barnen ut med spark och skridskor. De gamla borrar hål och mäter. Tio centimeter kärnis räcker för en människa, säger de, men lita aldrig på våris, hur tjock den än är.`,
  },
  {
    name: "tea-garden",
    kind: "prose",
    language: "Turkish",
    source: WRITTEN_HERE,
    text: `Vapurun kalkmasına daha yirmi dakika vardı. İskelenin yanındaki çay bahçesinde boş bir masa bulduk; garson, sormadan iki ince belli bardak bıraktı. Martılar simit peşindeydi, rüzgâr gazetelerin sayfalarını karıştırıyordu. “Acele etme,” dedi arkadaşım, “kaçırırsak bir sonrakine bineriz. Zaten en güzel yolculuk, beklerken başlar.”`,
  },
  {
    name: "odyssey",
    kind: "verse",
    language: "Greek",
    source: "Homer, Odyssey, book 1",
    text: `ἄνδρα μοι ἔννεπε, μοῦσα, πολύτροπον, ὃς μάλα πολλὰ
πλάγχθη, ἐπεὶ Τροίης ἱερὸν πτολίεθρον ἔπερσεν·
πολλῶν δ᾽ ἀνθρώπων ἴδεν ἄστεα καὶ νόον ἔγνω.`,
  },
  {
    name: "island-boat",
    kind: "prose",
    language: "Greek",
    source: WRITTEN_HERE,
    text: `Το καΐκι φτάνει στο νησί δύο φορές την εβδομάδα, αν το επιτρέπει ο καιρός. Φέρνει λάδι, εφημερίδες, φάρμακα και καμιά φορά έναν τουρίστα που μπέρδεψε τα δρομολόγια. «Δεν πειράζει», του λένε στο καφενείο, «κάθισε· το επόμενο έρχεται την Παρασκευή».`,
  },
  {
    name: "gallic-war",
    kind: "prose",
    language: "Latin",
    source: "Julius Caesar, Commentarii de bello Gallico, book 1",
    text: `Gallia est omnis divisa in partes tres, quarum unam incolunt Belgae, aliam Aquitani, tertiam qui ipsorum lingua Celtae, nostra Galli appellantur. Hi omnes lingua, institutis, legibus inter se differunt.`,
  },
  {
    name: "morning-soup",
    kind: "prose",
    language: "Vietnamese",
    source: WRITTEN_HERE,
    text: `Sáng sớm, cả con phố thơm mùi quế và hoa hồi. Nồi nước dùng đã sôi lăn tăn từ nửa đêm; bà chủ quán chỉ cần nghe tiếng là biết lửa to hay nhỏ. Khách ngồi trên những chiếc ghế nhựa thấp, thêm chút chanh, vài lát ớt, rồi lặng lẽ ăn trước khi giờ làm việc bắt đầu.`,
  },
  {
    name: "volcano-villages",
    kind: "prose",
    language: "Indonesian",
    source: WRITTEN_HERE,
    text: `Penduduk di lereng gunung berapi hidup dengan dua kalender: kalender biasa dan kalender gunung. Abu yang turun sesekali merusak atap, tetapi juga menyuburkan sawah. Ketika sirene berbunyi, setiap keluarga sudah tahu jalur evakuasi, siapa yang menggendong nenek, dan di mana sapi-sapi harus diikat.`,
  },
  {
    name: "fishing-boats",
    kind: "prose",
    language: "Swahili",
    source: WRITTEN_HERE,
    text: `Wavuvi huondoka kabla ya alfajiri, wakati upepo wa nchi kavu bado unavuma. Mtumbwi mwembamba wenye tanga moja husafiri haraka, lakini nahodha mwenye busara haendi mbali mawingu yanapokusanyika. Jioni samaki hupigwa mnada ufukweni, na watoto husaidia kuvuta kamba.`,
  },
  {
    name: "floating-market",
    kind: "prose",
    language: "Thai",
    source: WRITTEN_HERE,
    text: `ตลาดน้ำเปิดตั้งแต่เช้ามืด แม่ค้าพายเรือมาขายผลไม้ ขนม และก๋วยเตี๋ยวเรือ ลูกค้านั่งรออยู่ริมคลอง พอสายหน่อยแดดเริ่มแรง ทุกคนก็ย้ายไปคุยกันใต้ร่มไม้`,
  },
  {
    name: "mountain-hut",
    kind: "prose",
    language: "Czech",
    source: WRITTEN_HERE,
    text: `Na hřebeni už ležel sníh, i když v údolí ještě kvetly jiřiny. Průvodce se zastavil, otevřel termosku a ukázal prstem k severu: „Tamhle za mlhou je chata. Když vyrazíme hned, stihneme polévku, než ji sní ti rychlejší.“`,
  },
  {
    name: "polar-night",
    kind: "prose",
    language: "Finnish",
    source: WRITTEN_HERE,
    text: `Kaamoksen aikaan aurinko ei nouse lainkaan, mutta pimeää ei silti ole. Lumi heijastaa kuun ja tähtien valon, ja keskipäivällä taivaanranta värjäytyy hetkeksi siniseksi. Lapset hiihtävät kouluun otsalamput päässään, ja naapurin koira haukkuu revontulille.`,
  },
];
