package io.quern.plan;

import io.quern.graph.Graph;
import io.quern.op.Fused;
import io.quern.op.FusedReduce;
import io.quern.op.Reduce;
import io.quern.op.ScalarProgram;
import io.quern.runtime.DebugLevel;
import io.quern.runtime.Knob;
import java.util.Locale;
import jdk.jfr.EventType;
import jdk.jfr.FlightRecorder;

/**
 * What compiled functions tell about themselves on standard error, more with each level: 1 that a
 * plan was made, 2 its table, 3 the graph before and after each pass, 4 the code of fused chains, 5
 * the time of each step of each run, 6 the range of what each step has computed.
 */
final class Debug {
  private static final Knob VALIDATE =
      Knob.of("quern.validate", "off", "on compares each step of a plan with the reference device");

  /** Level in force when the first plan was made. */
  static final int CHOSEN = DebugLevel.inForce();

  /** Whether steps are compared with the reference device. */
  static final boolean VALIDATES = VALIDATE.isOn();

  private Debug() {}

  /** Whether runs go step by step under supervision. */
  static boolean watchesRuns() {
    return CHOSEN >= 5 || VALIDATES || isRecording();
  }

  /**
   * Whether a recording wants events of steps. An event class starts Flight Recorder when it is
   * loaded, so none is before there is a recording.
   */
  private static boolean isRecording() {
    return FlightRecorder.isInitialized() && StepEvents.TYPE.isEnabled();
  }

  private static final class StepEvents {
    static final EventType TYPE = EventType.getEventType(StepEvent.class);
  }

  static void traced(Graph graph) {
    if (CHOSEN >= 3) {
      print("traced:\n" + graph);
    }
  }

  static void passed(String pass, Graph before, Graph after) {
    if (CHOSEN >= 3 && !before.toString().equals(after.toString())) {
      print("after " + pass + ":\n" + after);
    }
  }

  static void planned(Plan plan, long nanos) {
    if (CHOSEN == 1) {
      print(
          String.format(
              Locale.ROOT,
              "plan %s: %d steps, arena %,d bytes, made in %.1f ms",
              plan.outputs(),
              plan.steps(),
              plan.arenaBytes(),
              nanos / 1e6));
    }
    if (CHOSEN >= 2) {
      print(plan.describe());
    }
    if (CHOSEN >= 4) {
      int number = 0;
      for (Step step : plan.stepList()) {
        if (step.op() instanceof Fused(ScalarProgram program)) {
          print("step " + number + ": " + program);
        } else if (step.op() instanceof FusedReduce(ScalarProgram program, Reduce reduce)) {
          print("step " + number + ": " + program + "; " + reduce.name() + " " + reduce.axes());
        }
        number++;
      }
    }
  }

  @SuppressWarnings("SystemOut") // asked for by the user who sets the knob
  static void print(String text) {
    System.err.println(text);
  }
}
