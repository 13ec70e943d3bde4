// The child of kdeploy/runtimes/onnxruntime_web.py: one ONNX model in WebAssembly, as a browser would run it.
//
//     node onnxruntime_web.mjs PACKAGE MODEL
//
// Frames on stdin and stdout: uint32 length of a JSON header, uint32 length of the bytes behind it, header, bytes. The
// first frame out says what the model takes and gives; then one frame out for each frame in. Reading and writing wait,
// because nothing else is to do.
import { readFileSync, readSync, writeSync } from "node:fs";
import { createRequire } from "node:module";

const [packageFolder, modelPath] = process.argv.slice(2);
console.log = console.error; // stdout belongs to the frames
const ort = createRequire(packageFolder + "/")(packageFolder);
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

const TYPES = {
  float32: Float32Array, float64: Float64Array, float16: Uint16Array, int8: Int8Array, uint8: Uint8Array,
  int16: Int16Array, uint16: Uint16Array, int32: Int32Array, uint32: Uint32Array, int64: BigInt64Array,
  uint64: BigUint64Array, bool: Uint8Array,
};

function take(length) {
  const bytes = Buffer.allocUnsafeSlow(length); // its own ArrayBuffer, so that any typed array is aligned in it
  let filled = 0;
  while (filled < length) {
    const count = readSync(0, bytes, filled, length - filled, null);
    if (count === 0) process.exit(0); // the parent is gone
    filled += count;
  }
  return bytes;
}

function give(bytes) {
  for (let sent = 0; sent < bytes.length; ) sent += writeSync(1, bytes, sent);
}

function send(header, parts) {
  const text = Buffer.from(JSON.stringify(header));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32LE(text.length, 0);
  lengths.writeUInt32LE(parts.reduce((sum, part) => sum + part.byteLength, 0), 4);
  give(Buffer.concat([lengths, text, ...parts]));
}

function tensors(described, bytes) {
  const feeds = {};
  let start = 0;
  for (const { name, dtype, shape } of described) {
    const length = shape.reduce((product, side) => product * side, 1) * TYPES[dtype].BYTES_PER_ELEMENT;
    const own = bytes.buffer.slice(start, start + length);
    feeds[name] = new ort.Tensor(dtype, new TYPES[dtype](own), shape);
    start += length;
  }
  return feeds;
}

async function answer(session) {
  const lengths = take(8);
  const header = JSON.parse(take(lengths.readUInt32LE(0)).toString());
  const bytes = take(lengths.readUInt32LE(4));
  try {
    const found = await session.run(tensors(header.inputs, bytes));
    const outputs = session.outputNames.map((name) => found[name]);
    const parts = outputs.map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    send({ outputs: outputs.map(({ type, dims }) => ({ dtype: type, shape: dims })) }, parts);
  } catch (error) {
    send({ error: String(error.message ?? error) }, []);
  }
}

try {
  const session = await ort.InferenceSession.create(readFileSync(modelPath), { executionProviders: ["wasm"] });
  const described = (found) => ({ name: found.name, dtype: found.type, shape: found.shape });
  send({
    inputs: session.inputMetadata.map(described),
    outputs: session.outputNames,
    threads: ort.env.wasm.numThreads,
  }, []);
  for (;;) await answer(session);
} catch (error) {
  send({ error: String(error.message ?? error) }, []);
}
