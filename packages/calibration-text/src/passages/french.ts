import { type Passage, WRITTEN_HERE } from "../passage.ts";

export const french: readonly Passage[] = [
  {
    name: "bakery",
    kind: "prose",
    language: "French",
    source: WRITTEN_HERE,
    text: `À quatre heures du matin, la rue dort encore, mais derrière le rideau de fer on entend déjà le pétrin. Le boulanger n'a pas de recette secrète : de la farine, de l'eau, du sel et beaucoup de temps. « C'est le temps qui coûte cher », dit-il en haussant les épaules. Le levain, nourri la veille, gonfle sous un torchon ; la pâte, une fois divisée, se repose avant d'être façonnée. Il faut ensuite surveiller le four, car aucune fournée ne ressemble tout à fait à la précédente : l'humidité de l'air, l'âge de la farine, la température de la pièce, tout compte. Vers six heures et demie, les premiers clients poussent la porte, les yeux mi-clos, et repartent avec une baguette trop chaude qu'ils n'auraient jamais dû entamer avant la maison.`,
  },
  {
    name: "twenty-thousand-leagues",
    kind: "prose",
    language: "French",
    source: "Jules Verne, Vingt mille lieues sous les mers (1870)",
    text: `L'année 1866 fut marquée par un événement bizarre, un phénomène inexpliqué et inexplicable que personne n'a sans doute oublié. Sans parler des rumeurs qui agitaient les populations des ports et surexcitaient l'esprit public à l'intérieur des continents, les gens de mer furent particulièrement émus.`,
  },
  {
    name: "forest-and-carbon",
    kind: "prose",
    language: "French",
    source: WRITTEN_HERE,
    text: `Une forêt adulte n'est pas un simple réservoir de bois. Par la photosynthèse, les feuilles fixent le dioxyde de carbone de l'air ; une partie retourne à l'atmosphère par la respiration des arbres, une autre rejoint le sol sous forme de litière, de racines mortes et de sucres échangés avec les champignons. Dans les régions boréales, où la décomposition est lente, le sol contient souvent davantage de carbone que les troncs eux-mêmes. C'est pourquoi l'on ne peut juger d'une coupe en comptant seulement les arbres abattus : il faut savoir ce que devient la terre qui les portait, combien d'années s'écoulent avant que la repousse compense la perte, et quel usage on fait du bois.`,
  },
  {
    name: "crow-and-fox",
    kind: "verse",
    language: "French",
    source: "Jean de La Fontaine, Fables, livre I (1668)",
    text: `Maître Corbeau, sur un arbre perché,
Tenait en son bec un fromage.
Maître Renard, par l'odeur alléché,
Lui tint à peu près ce langage :
« Hé ! bonjour, Monsieur du Corbeau.
Que vous êtes joli ! que vous me semblez beau !
Sans mentir, si votre ramage
Se rapporte à votre plumage,
Vous êtes le Phénix des hôtes de ces bois. »`,
  },
  {
    name: "discourse-on-method",
    kind: "prose",
    language: "French",
    source: "René Descartes, Discours de la méthode (1637)",
    text: `Le bon sens est la chose du monde la mieux partagée : car chacun pense en être si bien pourvu, que ceux même qui sont les plus difficiles à contenter en toute autre chose n'ont point coutume d'en désirer plus qu'ils en ont.`,
  },
  {
    name: "flatmates",
    kind: "dialogue",
    language: "French",
    source: WRITTEN_HERE,
    text: `Salut ! Tu rentres vers quelle heure ce soir ?
— Pas avant 20 h, j'ai encore une réunion… Pourquoi ?
Le plombier est passé : la fuite est réparée, mais il faut laisser l'eau coupée jusqu'à demain matin.
— Ah zut. Même pour la douche ?
Même pour la douche. J'ai rempli deux seaux et la bouilloire, ça devrait suffire pour le thé ;-)
— T'es génial(e). Je rapporte des pizzas, du coup on n'aura pas de vaisselle !`,
  },
];
