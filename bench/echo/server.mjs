// An echo server on Node. Without an argument what comes goes back; with
// one, whole messages of that many bytes do.
import { createServer } from "node:net";

const size = Number(process.argv[2] ?? 0);

const server = createServer({ noDelay: true }, (socket) => {
  socket.on("error", () => socket.destroy());
  if (size === 0) {
    socket.on("data", (data) => socket.write(data));
    return;
  }
  let message = Buffer.allocUnsafe(size);
  let received = 0;
  socket.on("data", (data) => {
    let from = 0;
    while (from < data.length) {
      const n = data.copy(message, received, from);
      from += n;
      received += n;
      if (received === size) {
        socket.write(message);
        message = Buffer.allocUnsafe(size);
        received = 0;
      }
    }
  });
});

server.listen(0, "127.0.0.1", () => console.log(`port=${server.address().port}`));
