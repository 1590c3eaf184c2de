import { type Passage, WRITTEN_HERE } from "../passage.ts";

export const italian: readonly Passage[] = [
  {
    name: "stone-bridge",
    kind: "prose",
    language: "Italian",
    source: WRITTEN_HERE,
    text: `Un arco di pietra sta in piedi perché vorrebbe cadere. Ogni concio, tagliato a cuneo, spinge contro i vicini; il peso, invece di tirare verso il basso, si trasforma in una spinta che corre lungo la curva fino alle spalle del ponte. Finché le spalle non cedono, l'arco non ha bisogno né di malta né di ferro. I costruttori romani lo sapevano benissimo: prima montavano una centina di legno, poi disponevano le pietre da entrambi i lati e, per ultima, la chiave di volta. Tolta la centina, si sentiva un lungo scricchiolio e l'arco si assestava di qualche millimetro. Chi ci passa sopra oggi, magari con la spesa in una mano e il telefono nell'altra, non ci pensa; eppure da duemila anni, sotto i suoi piedi, nulla è fermo davvero.`,
  },
  {
    name: "inferno",
    kind: "verse",
    language: "Italian",
    source: "Dante Alighieri, Inferno I (c. 1314)",
    text: `Nel mezzo del cammin di nostra vita
mi ritrovai per una selva oscura,
ché la diritta via era smarrita.

Ahi quanto a dir qual era è cosa dura
esta selva selvaggia e aspra e forte
che nel pensier rinova la paura!

Tant' è amara che poco è più morte;
ma per trattar del ben ch'i' vi trovai,
dirò de l'altre cose ch'i' v'ho scorte.`,
  },
  {
    name: "risotto-recipe",
    kind: "list",
    language: "Italian",
    source: WRITTEN_HERE,
    text: `Risotto allo zafferano (per 4 persone)

Ingredienti: 320 g di riso Carnaroli, 1 cipolla piccola, 60 g di burro, mezzo bicchiere di vino bianco, 1,2 l di brodo, una bustina di zafferano, 50 g di parmigiano grattugiato, sale.

1. Tritate la cipolla e fatela appassire in metà del burro, senza che prenda colore.
2. Aggiungete il riso e tostatelo per due minuti; sfumate con il vino.
3. Versate il brodo bollente, un mestolo alla volta, mescolando spesso.
4. Dopo circa 16 minuti unite lo zafferano sciolto in poco brodo.
5. Spegnete il fuoco, mantecate con il burro rimasto e il parmigiano, coprite e lasciate riposare due minuti. Buon appetito!`,
  },
  {
    name: "the-betrothed",
    kind: "prose",
    language: "Italian",
    source: "Alessandro Manzoni, I promessi sposi (1840)",
    text: `Quel ramo del lago di Como, che volge a mezzogiorno, tra due catene non interrotte di monti, tutto a seni e a golfi, a seconda dello sporgere e del rientrare di quelli, vien, quasi a un tratto, a ristringersi, e a prender corso e figura di fiume, tra un promontorio a destra, e un'ampia costiera dall'altra parte.`,
  },
];
