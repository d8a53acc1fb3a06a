// Headless Chromium, spoken to over a pipe by the DevTools protocol, and axe-core in it: what scripts/picture looks with.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

const CHROMIUM = process.env.CHROMIUM ?? "chromium";

/** The checker of accessibility: a version of the npm registry, and the hash of its archive. */
const AXE = {
  version: "4.14.1",
  sha512: "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
};

export function fail(message) {
  console.error(`error: ${message}`);
  process.exit(1);
}

/** The source of axe-core. It is downloaded once into the cache folder, and nothing of it is in the repository. */
export function axeSource() {
  const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "fmnist-gpu", "axe-core");
  const archive = join(folder, `axe-core-${AXE.version}.tgz`);
  mkdirSync(folder, { recursive: true });
  if (!existsSync(archive)) {
    const fresh = mkdtempSync(join(folder, "new-"));
    const packed = spawnSync("npm", ["pack", `axe-core@${AXE.version}`, "--silent", "--pack-destination", fresh]);
    if (packed.status !== 0) fail(`npm pack axe-core@${AXE.version} failed: ${packed.stderr ?? packed.error?.message}`);
    renameSync(join(fresh, `axe-core-${AXE.version}.tgz`), archive);
    rmSync(fresh, { recursive: true });
  }
  const found = createHash("sha512").update(readFileSync(archive)).digest("base64");
  if (found !== AXE.sha512) fail(`${archive} has the SHA-512 ${found}, not ${AXE.sha512}: delete it and try again`);
  const shown = spawnSync("tar", ["-xzOf", archive, "package/axe.min.js"], { maxBuffer: 1 << 26, encoding: "utf8" });
  if (shown.status !== 0) fail(`${archive} cannot be read: ${shown.stderr}`);
  return shown.stdout;
}

/** A browser that is spoken to over a pipe. */
export class Browser {
  constructor() {
    this.profile = mkdtempSync(join(tmpdir(), "fmnist-gpu-chromium-"));
    const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe"];
    this.process = spawn(CHROMIUM, [...flags, `--user-data-dir=${this.profile}`], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    this.process.on("error", (error) => fail(`${CHROMIUM} does not start: ${error.message}; apt-get install chromium`));
    this.calls = new Map();
    this.events = [];
    this.next = 1;
    let rest = "";
    this.process.stdio[4].on("data", (data) => {
      const messages = (rest + data).split("\0");
      rest = messages.pop();
      for (const message of messages) this.receive(JSON.parse(message));
    });
  }

  receive(message) {
    if (!message.id) return void this.events.push(message);
    const { resolve, reject } = this.calls.get(message.id);
    this.calls.delete(message.id);
    if (message.error) reject(new Error(message.error.message));
    else resolve(message.result);
  }

  call(method, params = {}, sessionId = this.session) {
    const id = this.next++;
    this.process.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + "\0");
    return new Promise((resolve, reject) => this.calls.set(id, { resolve, reject }));
  }

  async open() {
    const { targetId } = await this.call("Target.createTarget", { url: "about:blank" });
    const attached = await this.call("Target.attachToTarget", { targetId, flatten: true });
    this.session = attached.sessionId;
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await this.call(`${domain}.enable`);
  }

  async event(method, seconds = 60) {
    for (let wait = 0; wait < seconds * 20; wait++) {
      if (this.events.some((event) => event.method === method)) return;
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error(`no ${method} in ${seconds} seconds`);
  }

  close() {
    this.process.on("exit", () => rmSync(this.profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }));
    this.process.kill();
  }
}
