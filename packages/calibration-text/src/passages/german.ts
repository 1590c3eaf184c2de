import { type Passage, WRITTEN_HERE } from "../passage.ts";

export const german: readonly Passage[] = [
  {
    name: "bicycle-workshop",
    kind: "prose",
    language: "German",
    source: WRITTEN_HERE,
    text: `Wer ein altes Fahrrad wieder fahrtüchtig machen will, sollte nicht mit der Kette beginnen, sondern mit den Lagern. Man hebt das Vorderrad an, dreht es und hört hin: Läuft es ruhig aus, genügt ein Tropfen Öl; knirscht es, müssen Konus und Kugeln heraus. Erst danach lohnt sich der Blick auf Bremsen, Züge und Beleuchtung. Ein häufiger Fehler besteht darin, sämtliche Schrauben so fest wie möglich anzuziehen – Aluminium verzeiht das nicht. Das größte Vergnügen kommt ohnehin zum Schluss, wenn das frisch geputzte Rad zum ersten Mal wieder über das Kopfsteinpflaster rollt und außer dem Wind nichts zu hören ist.

In unserer Gemeinschaftswerkstatt (Hinterhof, zweite Tür links) stehen Werkzeug, Montageständer und eine Kiste voller Gebrauchtteile bereit. Geöffnet ist donnerstags von 17 bis 21 Uhr; Spenden sind willkommen, Kuchen auch.`,
  },
  {
    name: "faust",
    kind: "verse",
    language: "German",
    source: "Johann Wolfgang von Goethe, Faust I (1808)",
    text: `Habe nun, ach! Philosophie,
Juristerei und Medizin,
Und leider auch Theologie
Durchaus studiert, mit heißem Bemühn.
Da steh ich nun, ich armer Tor!
Und bin so klug als wie zuvor;
Heiße Magister, heiße Doktor gar
Und ziehe schon an die zehen Jahr
Herauf, herab und quer und krumm
Meine Schüler an der Nase herum –
Und sehe, daß wir nichts wissen können!`,
  },
  {
    name: "heat-pump",
    kind: "prose",
    language: "German",
    source: WRITTEN_HERE,
    text: `Eine Wärmepumpe arbeitet wie ein Kühlschrank, nur in umgekehrter Absicht. Das Kältemittel verdampft bei niedrigem Druck und nimmt dabei Wärme aus der Außenluft auf; der Verdichter erhöht Druck und Temperatur, und im Verflüssiger gibt der Dampf seine Energie an das Heizungswasser ab. Das Verhältnis von abgegebener Wärme zu eingesetztem Strom heißt Leistungszahl. Sie sinkt, je größer der Temperaturunterschied ist, den die Maschine überwinden muss: Bei 2 °C Außentemperatur und 35 °C im Vorlauf sind Werte um 4 üblich, bei 55 °C kaum mehr als 2,5. Deshalb entscheiden Heizflächen und Dämmung oft stärker über die Stromrechnung als das Fabrikat des Geräts.`,
  },
  {
    name: "what-is-enlightenment",
    kind: "prose",
    language: "German",
    source: "Immanuel Kant, Beantwortung der Frage: Was ist Aufklärung? (1784)",
    text: `Aufklärung ist der Ausgang des Menschen aus seiner selbstverschuldeten Unmündigkeit. Unmündigkeit ist das Unvermögen, sich seines Verstandes ohne Leitung eines anderen zu bedienen. Selbstverschuldet ist diese Unmündigkeit, wenn die Ursache derselben nicht am Mangel des Verstandes, sondern der Entschließung und des Mutes liegt, sich seiner ohne Leitung eines andern zu bedienen. Sapere aude! Habe Mut, dich deines eigenen Verstandes zu bedienen! ist also der Wahlspruch der Aufklärung.`,
  },
  {
    name: "ticket-office",
    kind: "dialogue",
    language: "German",
    source: WRITTEN_HERE,
    text: `– Guten Morgen! Ich hätte gern zwei Fahrkarten nach Regensburg, hin und zurück.
– Fahren Sie heute noch?
– Ja, möglichst um 10.14 Uhr. Und am Sonntagabend wieder zurück.
– Da müssten Sie in Nürnberg umsteigen, Sie haben neun Minuten. Reicht Ihnen das?
– Mit dem Kinderwagen wird's knapp. Gibt es auch etwas ohne Umsteigen?
– Um 11.02 Uhr, der braucht allerdings eine halbe Stunde länger. Dafür wär's günstiger: 58,40 Euro statt 71,80.
– Dann nehmen wir den. Kann ich mit Karte zahlen?`,
  },
];
