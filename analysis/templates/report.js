"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const element = (id) => document.getElementById(id);
  const NEVER = 0xffffffff;
  const PLAY_SECONDS = 9;

  const decode = (text, Type) => {
    const raw = atob(text);
    const bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; ++i) bytes[i] = raw.charCodeAt(i);
    return new Type(bytes.buffer);
  };
  const latitude = decode(data.lat, Float32Array);
  const longitude = decode(data.lon, Float32Array);
  const city = decode(data.city, Uint16Array);
  const count = latitude.length;
  for (const message of data.messages) {
    message.at = decode(message.at, Uint32Array);
    message.from = decode(message.from, Uint32Array);
    message.order = Array.from(message.at.keys()).filter((i) => message.at[i] !== NEVER).sort((a, b) => message.at[a] - message.at[b]);
    message.last = message.order.length ? message.at[message.order[message.order.length - 1]] : 0;
  }

  // Times in microseconds, for people.
  const show = (us) => us >= 1e6 ? (us / 1e6).toFixed(2) + " s" : us >= 1e4 ? Math.round(us / 1e3) + " ms" : (us / 1e3).toFixed(1) + " ms";

  // Early is light, late is violet: lightness falls all the way, so the order reads without hue.
  const STOPS = [[255, 244, 190], [255, 190, 60], [244, 96, 84], [205, 50, 135], [124, 92, 240]];
  const LIGHT_STOPS = [[230, 159, 0], [222, 112, 20], [205, 50, 100], [140, 40, 150], [60, 40, 150]];
  const DARK = { sea: "#0e1a28", land: "#22344a", grid: "#182739", waiting: "#5a7088", ring: "#ffffff", path: "255,225,160", stops: STOPS };
  const LIGHT = { sea: "#ffffff", land: "#e6eaee", grid: "#f0f2f4", waiting: "#aab4bd", ring: "#16212d", path: "120,80,20", stops: LIGHT_STOPS };
  let theme = DARK;
  const ramp = (part) => {
    const x = Math.min(Math.max(part, 0), 1) * (theme.stops.length - 1);
    const i = Math.min(Math.floor(x), theme.stops.length - 2);
    const mixed = theme.stops[i].map((value, k) => Math.round(value + (theme.stops[i + 1][k] - value) * (x - i)));
    return "rgb(" + mixed.join(",") + ")";
  };
  const BANDS = 64;
  let bands = [];
  const tint = () => {
    bands = Array.from({ length: BANDS }, (_, i) => ramp(i / (BANDS - 1)));
    document.querySelector(".legend i").style.background =
      "linear-gradient(90deg," + theme.stops.map((stop) => "rgb(" + stop.join(",") + ")").join(",") + ")";
  };

  // Colours end at the 99th percentile over all messages drawn.
  const everything = data.messages.flatMap((message) => message.order.map((i) => message.at[i])).sort((a, b) => a - b);
  const scale = Math.max(everything.length ? everything[Math.floor((everything.length - 1) * 0.99)] : 1, 1);
  element("latest").textContent = show(scale) + (everything.length && everything[everything.length - 1] > scale ? " +" : "");

  // The Equal Earth projection (Šavrič, Patterson and Jenny 2018), cut to where people live.
  const project = (lon, lat) => {
    const m = Math.sqrt(3) / 2;
    const t = Math.asin(m * Math.sin(lat * Math.PI / 180));
    const t2 = t * t, t6 = t2 * t2 * t2;
    const x = lon * Math.PI / 180 * Math.cos(t) / (m * (1.340264 - 3 * 0.081106 * t2 + t6 * (7 * 0.000893 + 9 * 0.003796 * t2)));
    return [x, t * (1.340264 - 0.081106 * t2 + t6 * (0.000893 + 0.003796 * t2))];
  };
  const TOP = project(0, 80)[1], BOTTOM = project(0, -56)[1], SIDE = project(180, 0)[0];
  const world = element("world"), wave = element("wave");
  const ink = world.getContext("2d"), waveInk = wave.getContext("2d");
  const backdrop = document.createElement("canvas");
  let width = 0, height = 0, ratio = 1, dot = 3;
  const xs = new Float32Array(count), ys = new Float32Array(count);
  const screen = (lon, lat) => {
    const [x, y] = project(lon, lat);
    const unit = Math.min(width / (2 * SIDE), height / (TOP - BOTTOM));
    return [width / 2 + x * unit, height / 2 + ((TOP + BOTTOM) / 2 - y) * unit];
  };

  // Nodes of one place spread like a sunflower's seeds; nodes without a place all do, around the middle.
  const place = () => {
    dot = Math.max(1.4, Math.min(3.4, 90 / Math.sqrt(count + 400))) * Math.max(width / 1100, 0.55);
    const step = data.placed ? dot * 0.92 : Math.min(height * 0.46 / Math.sqrt(count), dot * 4);
    const seen = new Map();
    for (let i = 0; i < count; ++i) {
      const known = data.placed && Number.isFinite(latitude[i]) && Number.isFinite(longitude[i]);
      const key = known ? latitude[i].toFixed(1) + "," + longitude[i].toFixed(1) : "";
      const rank = seen.get(key) || 0;
      seen.set(key, rank + 1);
      const centre = known ? screen(longitude[i], latitude[i]) : data.placed ? [width / 2, height - 24] : [width / 2, height / 2];
      const angle = rank * 2.399963, radius = step * Math.sqrt(rank);
      xs[i] = centre[0] + radius * Math.cos(angle);
      ys[i] = centre[1] + radius * Math.sin(angle);
    }
  };

  const paintBackdrop = () => {
    backdrop.width = world.width;
    backdrop.height = world.height;
    const paper = backdrop.getContext("2d");
    paper.scale(ratio, ratio);
    paper.fillStyle = theme.sea;
    paper.fillRect(0, 0, width, height);
    if (!data.placed) return;
    paper.strokeStyle = theme.grid;
    paper.lineWidth = 1;
    const line = (points) => {
      paper.beginPath();
      points.forEach(([lon, lat], i) => { const [x, y] = screen(lon, lat); i ? paper.lineTo(x, y) : paper.moveTo(x, y); });
      paper.stroke();
    };
    for (let lon = -180; lon <= 180; lon += 30) line(Array.from({ length: 35 }, (_, i) => [lon, -85 + i * 5]));
    for (let lat = -60; lat <= 80; lat += 20) line([[-180, lat], [180, lat]]);
    paper.beginPath();  // nothing outside the globe's outline
    for (let lat = -90; lat <= 90; lat += 3) paper.lineTo(...screen(180, lat));
    for (let lat = 90; lat >= -90; lat -= 3) paper.lineTo(...screen(-180, lat));
    paper.clip();
    paper.fillStyle = theme.land;
    for (const ring of data.land) for (const turn of [-360, 0, 360]) drawRing(paper, ring, turn);
  };

  // A ring across the antimeridian goes on past 180 degrees; its copy a turn away is the other half.
  const drawRing = (paper, ring, turn) => {
    let lon = ring[0], low = Infinity, high = -Infinity;
    const points = [];
    for (let i = 0; i < ring.length; i += 2) {
      lon += ((ring[i] - lon + 540) % 360 + 360) % 360 - 180;
      points.push([lon + turn, ring[i + 1]]);
      low = Math.min(low, lon + turn);
      high = Math.max(high, lon + turn);
    }
    if (high < -180 || low > 180) return;
    paper.beginPath();
    for (const [at, lat] of points) paper.lineTo(...screen(at, lat));
    paper.closePath();
    paper.fill();
  };

  let message = data.messages[0], now = 0, playing = false, hovered = -1;

  const drawPaths = () => {
    const linger = Math.max(message.last * 0.12, 1);
    ink.lineWidth = 0.9;
    for (const i of message.order) {
      const end = message.at[i];
      if (now > end + linger) continue;
      const sender = message.from[i];
      if (sender === NEVER) continue;
      const start = sender === message.publisher ? 0 : message.at[sender];
      if (start === NEVER || start > now) continue;
      const part = Math.min((now - start) / Math.max(end - start, 1), 1);
      const fade = now > end ? 1 - (now - end) / linger : 1;
      ink.strokeStyle = "rgba(" + theme.path + "," + (0.26 * fade).toFixed(3) + ")";
      ink.beginPath();
      ink.moveTo(xs[sender], ys[sender]);
      ink.lineTo(xs[sender] + (xs[i] - xs[sender]) * part, ys[sender] + (ys[i] - ys[sender]) * part);
      ink.stroke();
    }
  };

  const draw = () => {
    ink.setTransform(1, 0, 0, 1, 0, 0);
    ink.drawImage(backdrop, 0, 0);
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    ink.fillStyle = theme.waiting;
    const at = message.at;
    for (let i = 0; i < count; ++i) {
      if (at[i] <= now || i === message.publisher) continue;
      ink.fillRect(xs[i] - dot * 0.5, ys[i] - dot * 0.5, dot, dot);
    }
    if (element("paths").checked && now < message.last) drawPaths();
    let reached = 0;
    const fresh = Math.max(message.last * 0.03, 1);
    for (let k = message.order.length - 1; k >= 0; --k) {  // the earliest on top
      const i = message.order[k];
      if (at[i] > now) continue;
      ++reached;
      const age = now - at[i];
      const radius = now < message.last && age < fresh ? dot * (1.9 - 0.9 * age / fresh) : dot;
      ink.fillStyle = bands[Math.min(Math.floor(at[i] / scale * BANDS), BANDS - 1)];
      ink.beginPath();
      ink.arc(xs[i], ys[i], radius, 0, 6.2832);
      ink.fill();
    }
    const mark = (i, radius) => {
      ink.strokeStyle = theme.ring;
      ink.lineWidth = 2;
      ink.beginPath();
      ink.arc(xs[i], ys[i], radius, 0, 6.2832);
      ink.stroke();
    };
    if (message.publisher >= 0) {
      mark(message.publisher, dot + 4.5);
      ink.fillStyle = theme.ring;
      ink.beginPath();
      ink.arc(xs[message.publisher], ys[message.publisher], dot, 0, 6.2832);
      ink.fill();
    }
    if (hovered >= 0) mark(hovered, dot + 2.5);
    // Counted over the nodes drawn, scaled to all of them when only some are.
    const all = message.order.length ? reached / message.order.length * message.reached : 0;
    element("count").textContent = Math.round(all).toLocaleString("en") + " of " + message.expected.toLocaleString("en");
    const share = message.expected ? Math.floor(all / message.expected * 1000) / 10 : 0;
    element("share").textContent = share + " % reached after " + show(now);
    element("clock").textContent = show(now);
    element("time").value = message.last ? Math.round(now / message.last * 1000) : 1000;
    element("time").setAttribute("aria-valuetext", show(now) + ", " + share + " % reached");
    drawWave();
  };

  // Arrivals over time, above the slider.
  const drawWave = () => {
    const w = wave.clientWidth, h = wave.clientHeight, bars = Math.max(Math.floor(w / 5), 1), inset = 8;
    waveInk.setTransform(ratio, 0, 0, ratio, 0, 0);
    waveInk.clearRect(0, 0, w, h);
    const counts = new Array(bars).fill(0);
    for (const i of message.order) ++counts[Math.min(Math.floor(message.at[i] / Math.max(message.last, 1) * bars), bars - 1)];
    const most = Math.max(...counts, 1), step = (w - 2 * inset) / bars;
    for (let b = 0; b < bars; ++b) {
      if (!counts[b]) continue;
      const time = (b + 0.5) / bars * message.last, tall = Math.max(counts[b] / most * h, 2);
      waveInk.fillStyle = time <= now ? "#0072b2" : "#c9d3db";
      waveInk.fillRect(inset + b * step, h - tall, Math.max(step - 1.5, 1), tall);
    }
  };

  const layout = () => {
    width = world.parentElement.clientWidth;
    height = Math.round(width * (TOP - BOTTOM) / (2 * SIDE) * 0.98);
    ratio = Math.min(window.devicePixelRatio || 1, 2);
    for (const [canvas, w, h] of [[world, width, height], [wave, wave.clientWidth, wave.clientHeight]]) {
      canvas.width = Math.round(w * ratio);
      canvas.height = Math.round(h * ratio);
    }
    world.style.height = height + "px";
    place();
    paintBackdrop();
    draw();
  };

  const stop = () => {
    playing = false;
    element("play").textContent = "▶";
    element("play").setAttribute("aria-label", "Play");
  };
  const play = () => {
    playing = true;
    element("play").textContent = "❚❚";
    element("play").setAttribute("aria-label", "Pause");
    if (now >= message.last) now = 0;
    let before = performance.now();
    const frame = (stamp) => {
      if (!playing) return;
      now = Math.min(now + Math.max(stamp - before, 0) / 1000 / PLAY_SECONDS * message.last, message.last);
      before = stamp;
      if (now >= message.last) stop();
      draw();
      if (playing) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  };
  const choose = (index) => {
    message = data.messages[index];
    stop();
    now = message.last;
    draw();
  };

  data.messages.forEach((one, i) => element("message").add(new Option(one.label, i)));
  element("message").addEventListener("change", (event) => choose(Number(event.target.value)));
  element("play").addEventListener("click", () => (playing ? stop() : play()));
  element("paths").addEventListener("change", draw);
  element("time").addEventListener("input", (event) => {
    stop();
    now = Number(event.target.value) / 1000 * message.last;
    draw();
  });
  world.addEventListener("pointermove", (event) => {
    const box = world.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    let best = 100, found = -1;
    for (let i = 0; i < count; ++i) {
      const far = (xs[i] - x) ** 2 + (ys[i] - y) ** 2;
      if (far < best) [best, found] = [far, i];
    }
    const tip = element("tip");
    tip.hidden = found < 0;
    if (found >= 0) {
      const arrival = found === message.publisher ? "publisher" : message.at[found] === NEVER ? "never reached" : "reached after " + show(message.at[found]);
      tip.textContent = [data.cities[city[found]], "node " + data.node[found], arrival].filter(Boolean).join(" · ");
      tip.style.left = Math.max(4, Math.min(xs[found] + 10, width - tip.offsetWidth - 8)) + "px";
      tip.style.top = Math.max(4, ys[found] - 36) + "px";
    }
    if (found !== hovered) { hovered = found; draw(); }
  });
  world.addEventListener("pointerleave", () => { hovered = -1; element("tip").hidden = true; draw(); });
  const retheme = (to) => { theme = to; tint(); paintBackdrop(); draw(); };
  window.addEventListener("beforeprint", () => retheme(LIGHT));
  window.addEventListener("afterprint", () => retheme(DARK));
  window.addEventListener("resize", layout);

  const notes = [];
  if (count < data.total) notes.push(count.toLocaleString("en") + " of " + data.total.toLocaleString("en") + " nodes are drawn.");
  if (!data.placed) notes.push("The nodes of this run have no places on Earth.");
  element("sampled").textContent = notes.join(" ");
  element("sampled").hidden = notes.length === 0;
  now = message.last;
  tint();
  layout();
})();
