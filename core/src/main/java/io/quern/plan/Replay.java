package io.quern.plan;

import io.quern.backend.DeviceContext;
import io.quern.backend.DeviceContext.Recording;
import io.quern.backend.Operands;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The steps of a frame as recordings, where the device can record them: one for each of the last
 * few sets of buffers, made when a set is met for the second time. For one thread at a time.
 */
final class Replay {
  /** Sets of buffers that are remembered; arguments and results often take turns. */
  private static final int SETS = 4;

  private final DeviceContext device;
  private final Operands[] operands;
  private final @Nullable Recording[] recordings = new Recording[SETS];
  private final long[][] addresses;
  private final long[] now;
  private int oldest;
  private boolean records;

  Replay(DeviceContext device, Operands[] operands) {
    this.device = device;
    this.operands = operands;
    this.records = !device.isHostMemory() && operands.length > 1;
    int count = records ? Arrays.stream(operands).mapToInt(Operands::count).sum() : 0;
    this.addresses = new long[SETS][count];
    this.now = new long[count];
  }

  /** Runs the steps, at once where possible, or else by {@code steps}. */
  void run(Runnable steps) {
    if (!records) {
      steps.run();
      return;
    }
    int set = find();
    if (set < 0) {
      System.arraycopy(now, 0, addresses[oldest], 0, now.length);
      recordings[oldest] = null;
      oldest = (oldest + 1) % SETS;
      steps.run();
      return;
    }
    Recording recording = recordings[set];
    if (recording == null) {
      recording = device.record(steps);
      recordings[set] = recording;
      records = recording != null;
    }
    if (recording != null) {
      recording.run();
    } else {
      steps.run();
    }
  }

  /** The set of buffers that the operands have now, -1 when it is a new one. */
  private int find() {
    int at = 0;
    for (Operands each : operands) {
      for (int i = 0; i < each.count(); i++) {
        now[at++] = each.address(i);
      }
    }
    for (int set = 0; set < SETS; set++) {
      if (Arrays.equals(now, addresses[set])) {
        return set;
      }
    }
    return -1;
  }
}
