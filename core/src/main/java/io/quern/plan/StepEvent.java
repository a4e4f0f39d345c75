package io.quern.plan;

import jdk.jfr.Category;
import jdk.jfr.Enabled;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** One step of a run of a plan in JDK Flight Recorder; off unless a recording asks for it. */
@Name("io.quern.Step")
@Label("Plan step")
@Category("Quern")
@Enabled(false)
@StackTrace(false)
final class StepEvent extends Event {
  @Label("Step")
  int step;

  @Label("Op")
  String op = "";

  @Label("Kernel")
  String kernel = "";

  @Label("Bytes moved")
  long bytes;
}
