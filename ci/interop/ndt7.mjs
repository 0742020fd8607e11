// M-Lab's published ndt7 client against our throughput port. Runs the client's two workers as they are, in this process. Not a
// measurement: loopback has no rate that means anything.
import { spawn } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [agent, workers] = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), "interop-ndt7-"));
const key = randomBytes(32);
const keyFile = join(directory, "throughput.key");
writeFileSync(keyFile, key.toString("hex"), { mode: 0o600 });

/** The ticket as docs/configuration.md says it, by other code than the reflector's. */
function ticket(direction, bytes) {
    const expires = Date.now() + 61_000;
    const nonce = randomBytes(16).toString("hex");
    const said = `1:interop:reflector:${direction}:${bytes}:9000:0:${expires}:${nonce}`;
    const whole = createHmac("sha256", key).update("azimuth throughput ticket\n").update(said).digest("hex");
    return `${said}:${whole.slice(0, 32)}`;
}

function worker(direction, url) {
    const code = readFileSync(join(workers, `ndt7-${direction}-worker.js`), "utf8");
    return new Promise((resolve, reject) => {
        const heard = { start: 0, complete: 0, client: 0, server: 0, last: undefined };
        const late = setTimeout(() => reject(new Error(`${direction}: no end within 20 s`)), 20_000);
        const postMessage = (message) => {
            if (message.MsgType === "error") reject(new Error(`${direction}: ${message.Error}`));
            if (message.MsgType === "start") heard.start += 1;
            if (message.MsgType === "measurement") heard[message.Source] += 1;
            if (message.Source === "server") heard.last = JSON.parse(message.ServerMessage);
            if (message.MsgType === "complete") {
                heard.complete += 1;
                clearTimeout(late);
                resolve(heard);
            }
        };
        const self = {};
        new Function("self", "postMessage", code)(self, postMessage);
        self.onmessage({ data: { [`///ndt/v7/${direction}`]: url } });
    });
}

function holds(what, condition, heard) {
    if (!condition) throw new Error(`${what}: ${JSON.stringify(heard)}`);
}

const reflector = spawn(agent, [
    "reflect", "--allow", "127.0.0.0/8", "--listen", "127.0.0.1:0",
    "--throughput-listen", "127.0.0.1:0", "--throughput-key-file", keyFile, "--throughput-congestion-control", "reno",
]);
let failed = 0;
try {
    const port = await new Promise((resolve, reject) => {
        let log = "";
        reflector.on("exit", () => reject(new Error(`the reflector ended: ${log}`)));
        reflector.stderr.on("data", (text) => {
            log += text;
            const found = log.replace(/\x1b\[[0-9;]*m/g, "").match(/serving throughput tests at=127\.0\.0\.1:(\d+)/);
            if (found) resolve(found[1]);
        });
    });
    const bytes = 20_000_000;
    for (const direction of ["download", "upload"]) {
        const url = `ws://127.0.0.1:${port}/ndt/v7/${direction}?access_token=${ticket(direction, bytes)}`;
        const heard = await worker(direction, url);
        holds(`${direction} began and ended`, heard.start === 1 && heard.complete >= 1, heard);
        holds(`${direction}: the server told what it saw`, heard.server > 0 && heard.last?.TCPInfo?.RTT > 0, heard);
        const moved = heard.last.AppInfo.NumBytes;
        holds(`${direction}: within the ticket`, moved > 0 && moved <= bytes + 65_536, heard);
        holds(`${direction}: labelled`, heard.last.Test === direction && heard.last.Origin === "server", heard);
        console.log(`${direction}: ${moved} octets told, ${heard.server} measurements by the server, ${heard.client} by the client`);
        const again = await worker(direction, url).then(() => "served", () => "refused");
        holds(`${direction}: a ticket used twice`, again === "refused", again);
    }
} catch (error) {
    console.error(`interop-ndt7: ${error.message}`);
    failed = 1;
} finally {
    reflector.kill("SIGTERM");
    rmSync(directory, { recursive: true });
}
process.exit(failed);
