import { type Passage, WRITTEN_HERE } from "../passage.ts";

export const data: readonly Passage[] = [
  {
    name: "orders-json",
    kind: "data",
    language: "JSON",
    source: WRITTEN_HERE,
    text: String.raw`{
  "orderId": "2024-000817",
  "created": "2024-05-23T14:07:31+02:00",
  "customer": { "id": 40213, "company": "Bäckerei am Tor", "newsletter": false },
  "items": [
    { "sku": "FLR-405-25", "name": "Wheat flour, 25 kg", "quantity": 8, "unitPrice": 21.9, "vat": 0.07 },
    { "sku": "SLT-SEA-5", "name": "Sea salt \"coarse\", 5 kg", "quantity": 1, "unitPrice": 6.45, "vat": 0.07 },
    { "sku": "BSK-OVAL-1", "name": "Proofing basket, oval", "quantity": 12, "unitPrice": 9.8, "vat": 0.19 }
  ],
  "shipping": { "method": "pallet", "cost": 39.0, "tracking": null },
  "tags": ["b2b", "monthly"],
  "note": "Deliver before 5 a.m.\nRing at the back door."
}`,
  },
  {
    name: "geojson",
    kind: "data",
    language: "JSON",
    source: WRITTEN_HERE,
    text: `{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"name":"ferry","minutes":18},"geometry":{"type":"LineString","coordinates":[[10.1402,54.3233],[10.1519,54.3391],[10.1688,54.3502]]}},{"type":"Feature","properties":{"name":"lighthouse","height_m":32.5,"open":true},"geometry":{"type":"Point","coordinates":[10.1849,54.3901]}}]}`,
  },
  {
    name: "pipeline-yaml",
    kind: "data",
    language: "YAML",
    source: WRITTEN_HERE,
    text: `name: nightly
on:
  schedule:
    - cron: "17 3 * * 1-5"
env: &defaults
  LANG: C.UTF-8
  RETRIES: 2
jobs:
  build:
    strategy:
      matrix:
        os: [linux, macos, windows]
        python: ["3.10", "3.12"]
    steps:
      - run: make all
      - run: |
          make test
          make report > report.txt
        env: { <<: *defaults, VERBOSE: "yes" }
  notify:
    needs: build
    if: failure()
    steps: [{ run: ./notify.sh "the nightly build failed" }]`,
  },
  {
    name: "settings-toml",
    kind: "data",
    language: "TOML",
    source: WRITTEN_HERE,
    text: `# Settings of a small web server
title = "Town archive"

[server]
host = "127.0.0.1"
port = 8_080
timeout = 2.5            # seconds
allowed = ["GET", "HEAD"]

[[mirror]]
name = "north"
since = 2021-10-01
weight = 3

[[mirror]]
name = "south"
since = 2023-01-15
weight = 1`,
  },
  {
    name: "sensor-csv",
    kind: "data",
    language: "CSV",
    source: WRITTEN_HERE,
    text: `timestamp,sensor,temperature_c,humidity_pct,battery_v,comment
2024-02-11T06:00:00Z,greenhouse-2,11.4,87,3.61,
2024-02-11T06:15:00Z,greenhouse-2,11.9,86,3.61,
2024-02-11T06:15:00Z,cellar,8.2,71,2.98,"battery low, replace soon"
2024-02-11T06:30:00Z,greenhouse-2,13.0,83,3.60,"door open (""just a minute"")"
2024-02-11T06:30:00Z,roof,-1.7,94,3.44,
2024-02-11T06:45:00Z,roof,NaN,,3.44,no reading`,
  },
  {
    name: "score-xml",
    kind: "data",
    language: "XML",
    source: WRITTEN_HERE,
    text: `<?xml version="1.0" encoding="UTF-8"?>
<score xmlns="urn:example:score" tempo="96">
  <title xml:lang="de">Kleiner Walzer</title>
  <part instrument="clarinet" transpose="-2">
    <bar number="1" time="3/4">
      <note pitch="G4" length="quarter"/>
      <note pitch="B4" length="eighth" dotted="true"/>
      <rest length="sixteenth"/>
      <note pitch="D5" length="quarter"><accent/></note>
    </bar>
    <!-- repeated three times -->
    <repeat from="1" to="1" times="3"/>
  </part>
</score>`,
  },
  {
    name: "server-log",
    kind: "data",
    language: "Log",
    source: WRITTEN_HERE,
    text: `2024-11-03 02:14:07.113 INFO  [main] Starting archive-server 4.2.1 (pid 20931)
2024-11-03 02:14:07.482 INFO  [main] Opened 3 volumes, 18,204 documents, 41.7 GiB
2024-11-03 02:14:09.020 WARN  [scan-2] volume "maps": checksum differs for sheet_0417.tif (expected 9f1c…e2, found 77ab…04)
2024-11-03 02:14:11.655 ERROR [scan-2] cannot read block 88123: Input/output error
    at Volume.read (volume.js:214:11)
    at async Scanner.next (scanner.js:58:20)
2024-11-03 02:14:11.656 INFO  [main] volume "maps" is now read-only
192.0.2.17 - - [03/Nov/2024:02:15:40 +0000] "GET /maps/sheet_0417.tif HTTP/1.1" 503 312
192.0.2.44 - - [03/Nov/2024:02:15:41 +0000] "GET /index.html HTTP/2.0" 200 5120`,
  },
];
