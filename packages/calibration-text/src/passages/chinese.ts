import { type Passage, WRITTEN_HERE } from "../passage.ts";

export const chinese: readonly Passage[] = [
  {
    name: "old-teahouse",
    kind: "prose",
    language: "Chinese",
    source: WRITTEN_HERE,
    text: `巷口的茶馆开了六十多年，门前那棵槐树比茶馆还要老。清晨五点半，老板先把炉火生起来，再用井水洗一遍茶碗。最早到的总是下棋的两位老人，一个性子急，一个慢得出奇，谁也不肯认输。到了九点，送菜的、修鞋的、放假的学生陆续进来，屋里便热闹了：有人谈天气，有人争论昨晚的球赛，也有人一句话不说，只看着窗外发呆。有一年，城里要拓宽马路，都说茶馆保不住了。后来图纸改了三次，马路绕了一个弯，槐树和茶馆都留了下来。老板说：“树不会走路，路却可以拐弯嘛。”`,
  },
  {
    name: "tang-poems",
    kind: "verse",
    language: "Chinese",
    source: "poems by Li Bai, Wang Zhihuan and Du Fu (8th century)",
    text: `静夜思　李白
床前明月光，疑是地上霜。
举头望明月，低头思故乡。

登鹳雀楼　王之涣
白日依山尽，黄河入海流。
欲穷千里目，更上一层楼。

春望　杜甫
国破山河在，城春草木深。
感时花溅泪，恨别鸟惊心。
烽火连三月，家书抵万金。
白头搔更短，浑欲不胜簪。`,
  },
  {
    name: "chat-battery",
    kind: "dialogue",
    language: "Chinese",
    source: WRITTEN_HERE,
    text: `用户：锂电池为什么会越用越不耐用？
助手：主要有三个原因。第一，每次充放电，负极表面的保护膜（SEI 膜）都会略微增厚，消耗一部分锂离子；第二，电极材料反复膨胀和收缩，会产生细小的裂纹；第三，高温和长期满电存放会加速副反应。日常使用时，把电量保持在 20% 到 80% 之间，避免在 35 ℃ 以上的环境里充电，可以明显延长寿命。
用户：那需要每个月完全放电一次吗？
助手：不需要。那是镍镉电池时代的做法，对锂电池反而有害。`,
  },
  {
    name: "analects",
    kind: "prose",
    language: "Chinese",
    source: "Analects of Confucius (5th century BC)",
    text: `子曰：“学而时习之，不亦说乎？有朋自远方来，不亦乐乎？人不知而不愠，不亦君子乎？”

子曰：“吾十有五而志于学，三十而立，四十而不惑，五十而知天命，六十而耳顺，七十而从心所欲，不逾矩。”

子曰：“温故而知新，可以为师矣。”`,
  },
  {
    name: "fast-trains",
    kind: "prose",
    language: "Chinese",
    source: WRITTEN_HERE,
    text: `高速列车的阻力主要来自空气。速度加倍，空气阻力大约变为原来的四倍，所需功率则接近八倍，所以车头的形状不只是为了好看。隧道是另一道难题：列车驶入时压缩前方的空气，压力波以声速传到出口，可能发出类似爆炸的响声。工程师从翠鸟入水的姿态得到启发，把车头做得又长又尖；隧道口则修成喇叭形，并开出一排泄压孔。据测算，仅这两项改动就能让噪声降低一半以上。`,
  },
  {
    name: "ferry-notice",
    kind: "prose",
    language: "Chinese",
    source: WRITTEN_HERE,
    text: `各位旅客您好：由於颱風接近，今日下午三時以後的渡輪班次全部取消，已購票者可於七日內辦理退款，不收手續費。請勿前往海邊觀浪，並留意最新的氣象報告。造成不便，敬請見諒。`,
  },
];
