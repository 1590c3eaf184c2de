import { type Passage, WRITTEN_HERE } from "../passage.ts";

export const spanish: readonly Passage[] = [
  {
    name: "market",
    kind: "prose",
    language: "Spanish",
    source: WRITTEN_HERE,
    text: `El mercado abre antes de que salga el sol. Los camiones llegan desde la costa con cajas de hielo y, entre gritos y risas, los pescaderos acomodan las sardinas como si fueran joyas. ¿Qué se lleva hoy, señora? La pregunta se repite cien veces, siempre con la misma paciencia. En el puesto de la esquina, una muchacha pesa garbanzos, corta un trozo de bacalao y apunta las deudas en un cuaderno cuadriculado; nadie ha visto nunca que se equivoque. A mediodía el ruido baja de golpe. Quedan las hojas de lechuga por el suelo, el olor a cilantro y un gato gris que, según dicen, conoce el horario mejor que el propio guardián.`,
  },
  {
    name: "don-quixote",
    kind: "prose",
    language: "Spanish",
    source: "Miguel de Cervantes, Don Quijote de la Mancha (1605)",
    text: `En un lugar de la Mancha, de cuyo nombre no quiero acordarme, no ha mucho tiempo que vivía un hidalgo de los de lanza en astillero, adarga antigua, rocín flaco y galgo corredor. Una olla de algo más vaca que carnero, salpicón las más noches, duelos y quebrantos los sábados, lentejas los viernes, algún palomino de añadidura los domingos, consumían las tres partes de su hacienda.`,
  },
  {
    name: "earthquakes",
    kind: "prose",
    language: "Spanish",
    source: WRITTEN_HERE,
    text: `¿Por qué no se pueden predecir los terremotos? Conocemos las placas, medimos con satélites su movimiento de pocos centímetros por año y sabemos en qué fallas se acumula la tensión. Lo que ignoramos es el estado exacto de la roca a quince kilómetros de profundidad: cuánta fricción resiste, por dónde circula el agua, qué tramo cederá primero. Una rotura pequeña puede detenerse al cabo de cien metros o propagarse durante cientos de kilómetros, y al principio ambas son idénticas. Por eso los sismólogos hablan de probabilidades para las próximas décadas, y los ingenieros prefieren gastar el dinero en edificios que se balanceen sin caerse.`,
  },
  {
    name: "swallows",
    kind: "verse",
    language: "Spanish",
    source: "Gustavo Adolfo Bécquer, Rimas (1871)",
    text: `Volverán las oscuras golondrinas
en tu balcón sus nidos a colgar,
y otra vez con el ala a sus cristales
jugando llamarán.

Pero aquellas que el vuelo refrenaban
tu hermosura y mi dicha al contemplar,
aquellas que aprendieron nuestros nombres…
¡esas… no volverán!`,
  },
];

export const portuguese: readonly Passage[] = [
  {
    name: "learning-to-sail",
    kind: "prose",
    language: "Portuguese",
    source: WRITTEN_HERE,
    text: `Aprender a velejar é, antes de mais nada, aprender a olhar para a água. O vento não se vê, mas deixa marcas: pequenas rugas escuras que correm pela superfície, a bandeira do clube que muda de direção, o cheiro de terra que chega de repente. No primeiro dia ninguém presta atenção nisso; estamos ocupados demais com cabos, nós e moitões. Só depois de alguns banhos involuntários percebemos que o barco não vai para onde apontamos, e sim para onde a vela, a quilha e a corrente concordam em levá-lo. Um barco moderno consegue avançar a cerca de quarenta e cinco graus contra o vento; para chegar a um porto que fica exatamente na direção de onde ele sopra, é preciso bordejar, ora para um lado, ora para o outro, com paciência.`,
  },
  {
    name: "posthumous-memoirs",
    kind: "prose",
    language: "Portuguese",
    source: "Machado de Assis, Memórias Póstumas de Brás Cubas (1881)",
    text: `Algum tempo hesitei se devia abrir estas memórias pelo princípio ou pelo fim, isto é, se poria em primeiro lugar o meu nascimento ou a minha morte. Suposto o uso vulgar seja começar pelo nascimento, duas considerações me levaram a adotar diferente método: a primeira é que eu não sou propriamente um autor defunto, mas um defunto autor, para quem a campa foi outro berço.`,
  },
  {
    name: "love-is-fire",
    kind: "verse",
    language: "Portuguese",
    source: "Luís de Camões, Rimas (1598)",
    text: `Amor é fogo que arde sem se ver,
é ferida que dói, e não se sente;
é um contentamento descontente,
é dor que desatina sem doer.`,
  },
  {
    name: "chat-electric-bicycle",
    kind: "dialogue",
    language: "Portuguese",
    source: WRITTEN_HERE,
    text: `Utilizador: Quanto tempo dura a bateria de uma bicicleta elétrica?
Assistente: Depende sobretudo de três coisas: a capacidade em watts-hora, o nível de assistência e o percurso. Com 500 Wh, é razoável contar com 50 a 90 km em terreno plano; numa cidade cheia de subidas, talvez metade. Com o passar dos anos, a capacidade diminui: após cerca de 800 ciclos completos, costumam restar 70 % a 80 %.
Utilizador: E no inverno?
Assistente: O frio reduz a autonomia temporariamente. Guarde a bateria dentro de casa e evite carregá-la abaixo de 0 °C.`,
  },
];
