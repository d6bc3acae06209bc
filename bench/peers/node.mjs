// The workloads in JavaScript, on Node's promises and timers.
//
//   node bench/peers/node.mjs WORKLOAD COUNT [REPEATS]

import assert from "node:assert";
import { readFileSync } from "node:fs";
import net from "node:net";
import { setTimeout as sleep, setImmediate as pass } from "node:timers/promises";

let cpu = 0, wall = 0, cpuStart, wallStart;

function start() {
  wallStart = performance.now();
  cpuStart = process.cpuUsage();
}

function stop() {
  const used = process.cpuUsage(cpuStart);
  cpu += (used.user + used.system) * 1e3;
  wall += (performance.now() - wallStart) * 1e6;
}

// A number of /proc/self/status in bytes, or undefined where there is none.
function status(key) {
  try {
    const found = readFileSync("/proc/self/status", "utf8").match(key + ":\\s*(\\d+)");
    return found && Number(found[1]) * 1024;
  } catch {
    return undefined;
  }
}

function peak(base, count) {
  const high = status("VmHWM");
  if (!high) return;
  console.log(`mb=${(high / 2 ** 20).toFixed(1)}`);
  if (base) console.log(`bytes=${((high - base) / count).toFixed(0)}`);
}

// Print what resident memory grew by, per piece, while `make` ran.
async function memory(count, make) {
  global.gc();
  const before = status("VmRSS");
  await make();
  global.gc();
  if (before) console.log(`bytes=${((status("VmRSS") - before) / count).toFixed(0)}`);
}

const workloads = {};
const sum = (count) => count * (count + 1) / 2;
const work = async (i) => i;

// The turn of a promise that is settled already: what `await` itself costs.
workloads.switch = async (count) => {
  async function takeTurns() {
    for (let i = 0; i < count / 10; i++) await undefined;
  }

  start();
  const tasks = [];
  for (let i = 0; i < 10; i++) tasks.push(takeTurns());
  for (const task of tasks) await task;
  stop();
};

// An async function begins at the call, and each await takes a turn: to call
// it and to spawn it are the same.
workloads.spawn_await = async (count) => {
  let total = 0;
  start();
  for (let i = 1; i <= count; i++) total += await work(i);
  stop();
  assert(total === sum(count));
};
workloads.call = workloads.spawn_await;

for (const depth of [10, 100, 10000]) {
  workloads[`nest_${depth}`] = async (count) => {
    const descend = async (n) => n === 0 ? 0 : await descend(n - 1) + 1;

    start();
    for (let i = 0; i < Math.floor(count / depth); i++) {
      assert(await descend(depth) === depth);
    }
    stop();
  };
}

workloads.spawn_gather = async (count) => {
  start();
  const tasks = [];
  for (let i = 1; i <= count; i++) tasks.push(work(i));
  const results = await Promise.all(tasks);
  stop();
  assert(results.length === count && results[count - 1] === count);
};

workloads.future = async (count) => {
  let total = 0, resolve;
  async function setter() {
    for (let i = 1; i <= count; i++) {
      resolve(i);
      await undefined;
    }
  }

  queueMicrotask(setter);
  start();
  for (let i = 0; i < count; i++) {
    total += await new Promise((set) => { resolve = set; });
  }
  stop();
  assert(total === sum(count));
};

// A timer that would abort, around a turn of the event loop.
workloads.timeout = async (count) => {
  start();
  for (let i = 0; i < count; i++) {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), 60000);
    await undefined;
    clearTimeout(timer);
  }
  stop();
};

workloads.timers = (count) => new Promise((resolve) => {
  let fired = 0;
  start();
  for (let i = 1; i <= count; i++) {
    setTimeout(() => {
      fired += 1;
      if (fired < count) return;
      stop();
      resolve();
    }, i * 7919 % count / count);
  }
});

workloads.cancel = async (count) => {
  const tasks = [], controllers = [];
  for (let i = 0; i < count; i++) {
    const controller = new AbortController();
    controllers.push(controller);
    tasks.push(sleep(3600000, undefined, { signal: controller.signal }));
  }
  await pass();
  start();
  for (const controller of controllers) controller.abort();
  const results = await Promise.allSettled(tasks);
  stop();
  assert(results[count - 1].status === "rejected");
};

workloads.million = async (count) => {
  const gaps = { false: 0, true: 0 };
  let asleep = 0, last, ticking = true;
  async function tick() {
    let all = false;
    while (ticking) {
      await sleep(1);
      const now = performance.now();
      if (last !== undefined) gaps[all] = Math.max(gaps[all], now - last);
      last = now;
      all = asleep === count;
    }
  }
  async function sleeper(i) {
    asleep += 1;
    await sleep(1000 + i / count * 1000);
  }

  tick();
  const base = status("VmRSS"), begun = performance.now();
  start();
  const tasks = [];
  for (let i = 1; i <= count; i++) tasks.push(sleeper(i));
  last = performance.now();
  for (const task of tasks) await task;
  stop();
  console.log(`seconds=${((performance.now() - begun) / 1000).toFixed(2)}`);
  console.log(`begin_gap_ms=${gaps.false.toFixed(1)}`);
  console.log(`gap_ms=${gaps.true.toFixed(1)}`);
  peak(base, count);
  ticking = false;
};

workloads.mem_future = async (count) => {
  const futures = new Array(count).fill(null);
  await memory(count, () => {
    for (let i = 0; i < count; i++) {
      const future = {};
      future.promise = new Promise((resolve) => { future.resolve = resolve; });
      futures[i] = future;
    }
  });
  assert(futures.length === count);
};

workloads.mem_sleeper = async (count) => {
  const sleeper = async () => { await sleep(3600000); };
  await memory(count, async () => {
    for (let i = 0; i < count; i++) sleeper();
    await pass();
  });
  process.exit(0);
};

workloads.mem_timer = async (count) => {
  await memory(count, () => {
    for (let i = 0; i < count; i++) setTimeout(() => {}, 3600000);
  });
  process.exit(0);
};

workloads.mem_connection = async (count) => {
  const clients = [];
  let accepted = 0;
  const server = net.createServer((socket) => {
    socket.on("data", () => {});
    accepted += 1;
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  await memory(count, async () => {
    for (let i = 0; i < count; i++) {
      await new Promise((resolve) => {
        clients.push(net.connect(server.address().port, "127.0.0.1", resolve));
      });
    }
    while (accepted < count) await pass();
  });
  process.exit(0);
};

workloads.start = async () => peak();

const [name, size, times] = process.argv.slice(2);
const count = Number(size), repeats = Number(times ?? 1);
if (workloads[name]) {
  for (let i = 0; i < repeats; i++) await workloads[name](count);
  if (cpuStart) {
    console.log(`ns=${(cpu / count / repeats).toFixed(2)}`);
    console.log(`wall=${(wall / count / repeats).toFixed(2)}`);
  }
} else {
  console.log("missing=1");
}
