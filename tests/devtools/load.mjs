/* Loads a .heapsnapshot as DevTools' worker does: node load.mjs FILE prints the total and each node's retained size. */
import {readFileSync} from 'node:fs';

Promise.withResolvers ??= function() { // Node.js 20 has none
  let resolve, reject;
  const promise = new Promise((yes, no) => { [resolve, reject] = [yes, no]; });
  return {promise, resolve, reject};
};
globalThis.self ??= globalThis;
await import('./worker.mjs');
const {HeapSnapshot, HeapSnapshotLoader} = globalThis.heapSnapshotWorker;

const loader = new HeapSnapshotLoader.HeapSnapshotLoader({sendEvent() {}});
const text = readFileSync(process.argv[2], 'utf8');
for (let at = 0; at < text.length; at += 65536) loader.write(text.slice(at, at + 65536));
loader.close();
const channel = new MessageChannel();
new HeapSnapshot.SecondaryInitManager(channel.port2);
const snapshot = await loader.buildSnapshot(channel.port1);
const retained = [];
for (const nodes = snapshot.allNodes(); nodes.hasNext(); nodes.next()) retained.push(nodes.item().retainedSize());
console.log(JSON.stringify({total: snapshot.totalSize, retained}));
process.exit(0);
