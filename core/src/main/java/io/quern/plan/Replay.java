package io.quern.plan;

import io.quern.backend.Buffer;
import io.quern.backend.DeviceContext;
import io.quern.backend.DeviceContext.Recording;
import io.quern.backend.Operands;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The steps of a frame as one recording, where the device can record them: made when a run has the
 * buffers of the run before, used as long as the buffers stay. For one thread at a time.
 */
final class Replay {
  private final DeviceContext device;
  private final Operands[] operands;
  private final long[] addresses;
  private boolean records;
  private @Nullable Recording recording;

  Replay(DeviceContext device, Operands[] operands) {
    this.device = device;
    this.operands = operands;
    this.addresses = new long[Arrays.stream(operands).mapToInt(Operands::count).sum()];
    this.records = !device.isHostMemory() && operands.length > 1;
  }

  /** Runs the steps, at once where possible, or else by {@code steps}. */
  void run(Runnable steps) {
    if (!records) {
      steps.run();
      return;
    }
    if (!hasSameBuffers()) {
      recording = null;
      steps.run();
      return;
    }
    Recording known = recording;
    if (known == null || !known.run()) {
      known = device.record(steps);
      recording = known;
      records = known != null;
      if (known == null || !known.run()) {
        steps.run();
      }
    }
  }

  /** Whether every operand is where it was in the last run; remembers where they are. */
  private boolean hasSameBuffers() {
    boolean same = true;
    int at = 0;
    for (Operands each : operands) {
      for (int i = 0; i < each.count(); i++) {
        Buffer buffer = each.buffer(i);
        long address = buffer.address() + each.byteOffset(i);
        same &= addresses[at] == address;
        addresses[at++] = address;
      }
    }
    return same;
  }
}
