import { type Passage, WRITTEN_HERE } from "../passage.ts";

export const japanese: readonly Passage[] = [
  {
    name: "watchmaker",
    kind: "prose",
    language: "Japanese",
    source: WRITTEN_HERE,
    text: `商店街のはずれに、小さな時計屋がある。看板の文字はもう薄くなって、初めて来た人はたいてい通り過ぎてしまう。店の中では百個近い時計がそれぞれ勝手な時刻を指していて、正しいのは一つだけだと店主は言う。「どれが正しいんですか」と聞くと、彼は笑って答えない。ある雨の日、祖父の懐中時計を持って行った。ぜんまいが切れていただけだったが、直るまで三週間かかった。受け取りに行くと、時計は静かに動いていて、ふたの裏には見たことのない日付が刻まれていた。祖母に電話をかけたら、それは二人が初めて会った日だった。`,
  },
  {
    name: "i-am-a-cat",
    kind: "prose",
    language: "Japanese",
    source: "Natsume Sōseki, I Am a Cat (1905)",
    text: `吾輩は猫である。名前はまだ無い。
どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所でニャーニャー泣いていた事だけは記憶している。吾輩はここで始めて人間というものを見た。`,
  },
  {
    name: "chat-miso-soup",
    kind: "dialogue",
    language: "Japanese",
    source: WRITTEN_HERE,
    text: `ユーザー：一人暮らしを始めたばかりです。味噌汁の作り方を簡単に教えてください。
アシスタント：はい。二人分の手順は次のとおりです。
１．鍋に水400mlとだしの素小さじ1を入れ、中火にかけます。
２．沸いたら、1cm角に切った豆腐とわかめを加え、2分ほど煮ます。
３．火を止めてから、味噌大さじ1と1/2を溶き入れます。沸騰させると香りが飛ぶので注意してください。
ユーザー：じゃがいもを入れてもいいですか？
アシスタント：もちろんです。その場合は薄切りにして、最初から水に入れ、やわらかくなるまで5〜6分煮てください。`,
  },
  {
    name: "narrow-road",
    kind: "verse",
    language: "Japanese",
    source: "Matsuo Bashō, The Narrow Road to the Deep North (1702) and other verses",
    text: `月日は百代の過客にして、行かふ年も又旅人也。

古池や蛙飛びこむ水の音
閑さや岩にしみ入る蝉の声
夏草や兵どもが夢の跡
荒海や佐渡によこたふ天河`,
  },
  {
    name: "earthquake-advice",
    kind: "prose",
    language: "Japanese",
    source: WRITTEN_HERE,
    text: `地震に備えて、家具は壁に固定し、寝室には背の高い本棚を置かないようにしましょう。非常用の水は一人一日三リットル、最低でも三日分が目安です。また、家族で集合場所を決め、スマートフォンが使えない場合の連絡方法（災害用伝言ダイヤル「171」など）も確認しておくと安心です。`,
  },
];

export const korean: readonly Passage[] = [
  {
    name: "bus-stop-library",
    kind: "prose",
    language: "Korean",
    source: WRITTEN_HERE,
    text: `산 아래 버스 정류장에는 하루에 네 번만 버스가 섭니다. 시간을 놓치면 세 시간을 기다려야 하기 때문에, 동네 사람들은 정류장 옆에 작은 책장을 만들었습니다. 처음에는 낡은 잡지 몇 권뿐이었지만, 지금은 소설과 시집, 요리책까지 이백 권이 넘습니다. 빌려 간다는 기록도, 돌려 달라는 부탁도 없습니다. 그런데도 책은 줄지 않고 해마다 늘어납니다. 가끔은 책갈피 대신 은행잎이나 짧은 쪽지가 끼워져 있습니다. “끝이 슬프니 비 오는 날에는 읽지 마세요.”`,
  },
  {
    name: "chat-korean-particles",
    kind: "dialogue",
    language: "Korean",
    source: WRITTEN_HERE,
    text: `사용자: 한국어에서 ‘은/는’과 ‘이/가’의 차이가 뭐예요?
도우미: 간단히 말하면 ‘은/는’은 이미 아는 주제를, ‘이/가’는 새로운 정보를 나타낼 때 씁니다. 예를 들어 “누가 왔어요?”라고 물으면 “민수가 왔어요.”라고 대답하고, “민수는 뭐 해요?”라고 물으면 “민수는 자요.”라고 대답합니다.`,
  },
  {
    name: "loyal-heart",
    kind: "verse",
    language: "Korean",
    source: "Jeong Mong-ju, Dansimga (1392)",
    text: `이 몸이 죽고 죽어 일백 번 고쳐 죽어
백골이 진토 되어 넋이라도 있고 없고
임 향한 일편단심이야 가실 줄이 있으랴`,
  },
];
