package io.quern;

import io.quern.backend.Backend;
import io.quern.backend.DeviceContext;
import io.quern.runtime.Log;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

/**
 * A place where tensors live and ops run, such as {@code cpu} or {@code cuda:1}. Backends on the
 * class or module path are found by themselves. Thread-safe.
 */
public final class Device {
  private static final Map<String, Backend> BACKENDS = findBackends();
  private static final Map<String, Device> OPEN = new ConcurrentHashMap<>();

  private final String name;
  private final DeviceContext context;
  private final Dispatch dispatch;

  private Device(String name, DeviceContext context) {
    this.name = name;
    this.context = context;
    this.dispatch = new Dispatch(this);
  }

  private static final class Default {
    static final Device INSTANCE = choose();

    private static Device choose() {
      Backend backend = BACKENDS.get("cpu");
      if (backend != null && backend.probe().devices() > 0) {
        return of("cpu");
      }
      String reason =
          backend == null
              ? "quern-kernels-cpu is not on the class path; add it as a dependency"
              : backend.probe().reason();
      Log.get().log(Level.WARNING, "the slow reference backend is used: " + reason);
      return reference();
    }
  }

  /** The CPU with its SIMD kernels, or the reference backend when kernels-cpu is absent. */
  public static Device cpu() {
    return Default.INSTANCE;
  }

  /** The slow, obviously correct backend that others are checked against. */
  public static Device reference() {
    return of("reference");
  }

  /**
   * The device called {@code name}: a backend, and after a colon the number of the device.
   *
   * @throws IllegalArgumentException if there is no such device; the message lists what there is
   */
  public static Device of(String name) {
    int colon = name.indexOf(':');
    String backendName = colon < 0 ? name : name.substring(0, colon);
    Backend backend = BACKENDS.get(backendName);
    if (backend == null) {
      throw new IllegalArgumentException(
          "device: no backend named "
              + backendName
              + ", found "
              + BACKENDS.keySet()
              + "; is its module on the class path?");
    }
    int index = colon < 0 ? 0 : index(name, colon);
    return OPEN.computeIfAbsent(
        index == 0 ? backendName : backendName + ":" + index,
        key -> {
          Backend.Probe probe = backend.probe();
          if (index >= probe.devices()) {
            throw new IllegalArgumentException(
                "device: "
                    + name
                    + " is not available, "
                    + backendName
                    + " has "
                    + probe.devices()
                    + " devices: "
                    + probe.reason());
          }
          DeviceContext context = backend.open(index);
          // The first message of a process takes longer than all the rest of opening a device.
          Thread.ofPlatform()
              .daemon()
              .name("quern-log")
              .start(
                  () ->
                      Log.get().log(Level.INFO, "Quern device " + key + ": " + context.describe()));
          return new Device(key, context);
        });
  }

  private static int index(String name, int colon) {
    String digits = name.substring(colon + 1);
    if (!digits.matches("[0-9]+")) {
      throw new IllegalArgumentException(
          "device: expected a number after the colon, found " + name);
    }
    return digits.length() < 10 ? Integer.parseInt(digits) : Integer.MAX_VALUE;
  }

  /** Names of all devices that can be opened now. */
  public static List<String> available() {
    List<String> names = new ArrayList<>();
    for (Backend backend : BACKENDS.values()) {
      for (int i = 0; i < backend.probe().devices(); i++) {
        names.add(i == 0 ? backend.name() : backend.name() + ":" + i);
      }
    }
    return names;
  }

  /** What each backend on the class path said when it was probed. */
  public static Map<String, String> probes() {
    return BACKENDS.values().stream()
        .collect(Collectors.toMap(Backend::name, backend -> backend.probe().reason()));
  }

  public String name() {
    return name;
  }

  /** One line about the hardware and how it is used. */
  public String describe() {
    return context.describe();
  }

  /** What would make this device faster, with the remedy. */
  public List<String> advice() {
    return context.advice();
  }

  /** The backend's side of this device, for tools and tests. */
  public DeviceContext context() {
    return context;
  }

  Dispatch dispatch() {
    return dispatch;
  }

  /** Ops that ran without a kernel of this device so far, and what ran instead. */
  public Map<String, String> fallbacks() {
    return dispatch.fallbacks();
  }

  @Override
  public String toString() {
    return name;
  }

  private static Map<String, Backend> findBackends() {
    Map<String, Backend> found = new TreeMap<>();
    Iterator<Backend> backends =
        ServiceLoader.load(Backend.class, Backend.class.getClassLoader()).iterator();
    while (true) {
      try {
        if (!backends.hasNext()) {
          return found;
        }
        Backend backend = backends.next();
        found.put(backend.name(), backend);
      } catch (ServiceConfigurationError | LinkageError e) {
        Log.get().log(Level.WARNING, "a backend does not load and is left out", e);
      }
    }
  }
}
