package io.quern.cli;

import io.quern.Device;
import io.quern.runtime.HostMemory;
import io.quern.runtime.Knob;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Workers;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Tells what Quern found on this machine and how it will use it. */
@Command(
    name = "info",
    description = "Show devices, kernels, memory and what would be faster.",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class)
final class InfoCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Option(names = "--knobs", description = "List the settings and their values instead.")
  private boolean knobs;

  private InfoCommand() {}

  @Override
  public void run() {
    List<Device> devices = Device.available().stream().map(Device::of).toList();
    int threads = Workers.shared().threads();
    MemoryPool.Usage memory = HostMemory.shared().usage();
    if (knobs) { // all of their owners are loaded now
      printKnobs();
      return;
    }
    printProcess(threads, memory);
    for (Device device : devices) {
      printDevice(device);
    }
    Device.probes()
        .forEach(
            (backend, reason) -> {
              if (devices.stream().noneMatch(device -> belongsTo(device, backend))) {
                say("");
                say("%s: not available, %s", backend, reason);
              }
            });
  }

  private static boolean belongsTo(Device device, String backend) {
    return device.name().equals(backend) || device.name().startsWith(backend + ":");
  }

  private void printProcess(int threads, MemoryPool.Usage memory) {
    say("quern    %s", Main.Version.quern());
    say(
        "java     %s, %s, %s",
        Runtime.version(), System.getProperty("java.vm.name"), System.getProperty("java.home"));
    say(
        "system   %s %s, %d cores",
        System.getProperty("os.name"),
        System.getProperty("os.arch"),
        Runtime.getRuntime().availableProcessors());
    say("threads  %d compute", threads);
    say(
        "memory   tensors %s at most, Java heap %s at most",
        size(memory.limit()), size(Runtime.getRuntime().maxMemory()));
  }

  private void printDevice(Device device) {
    say("");
    say("%s%s: %s", device, device == Device.cpu() ? " (default)" : "", device.describe());
    for (String advice : device.advice()) {
      say("  faster: %s", advice);
    }
    Map<String, List<String>> kernels = device.context().kernels();
    int width = kernels.keySet().stream().mapToInt(String::length).max().orElse(0);
    kernels.forEach(
        (op, names) -> say("  %-" + Math.max(1, width) + "s  %s", op, String.join(", ", names)));
  }

  private void printKnobs() {
    say("Set by -DNAME=VALUE for java, or by an environment variable such as QUERN_THREADS.");
    for (Knob knob : Knob.all().stream().sorted((a, b) -> a.name().compareTo(b.name())).toList()) {
      say("");
      say(
          "%s = %s%s",
          knob.name(),
          knob.value().isEmpty() ? "(not set)" : knob.value(),
          knob.value().equals(knob.fallback()) ? "" : ", default " + knob.fallback());
      say("  %s", knob.purpose());
    }
  }

  private static String size(long bytes) {
    return bytes < 1L << 30
        ? String.format(Locale.ROOT, "%,.0f MiB", bytes / (double) (1 << 20))
        : String.format(Locale.ROOT, "%,.1f GiB", bytes / (double) (1 << 30));
  }

  private void say(String format, Object... arguments) {
    PrintWriter out = spec.commandLine().getOut();
    out.println(String.format(Locale.ROOT, format, arguments));
  }
}
