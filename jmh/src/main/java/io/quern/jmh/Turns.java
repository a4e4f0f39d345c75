package io.quern.jmh;

import io.quern.ChildJvm;
import io.quern.DType;
import java.lang.management.ManagementFactory;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.openjdk.jmh.annotations.Setup;

/**
 * Two benchmarks in one process, by turns of a tenth of a second: what a machine that others use
 * gives to one it gives to the other. JMH runs one after the other, and within the seconds between
 * such a machine may change its speed by half.
 */
final class Turns {
  private static final int WARM_UP_TURNS = 12;
  private static final double WARM_UP_SECONDS = 4;
  private static final int LEAST_TURNS = 6;
  private static final double SECONDS = 8;
  private static final long TURN_NANOS = 100_000_000;

  /** Threads that wait for work stop spinning within it. */
  private static final long PAUSE_MILLIS = 40;

  /** Calls at the beginning of a turn, which find other data in the caches, are not counted. */
  private static final int UNCOUNTED = 2;

  private Turns() {}

  /** Microseconds of a call in two turns, one after the other. */
  record Pair(double ours, double peer) {
    double ratio() {
      return peer / ours;
    }
  }

  /** Whether there is such a class: those of peers are not always built. */
  static boolean exists(String className) {
    return Turns.class.getResource("/" + className.replace('.', '/') + ".class") != null;
  }

  /**
   * Runs both in a process of their own.
   *
   * @param ours the method, behind the full name of its class
   * @param parameters of both
   * @param threads that compute
   */
  static List<Pair> measure(String ours, String peer, Map<String, String> parameters, int threads) {
    List<String> arguments = new ArrayList<>(List.of(ours, peer, "workers=" + threads));
    parameters.forEach((name, value) -> arguments.add(name + "=" + value));
    List<String> options = ManagementFactory.getRuntimeMXBean().getInputArguments();
    return ChildJvm.run(options, Turns.class, arguments.toArray(String[]::new))
        .lines()
        .filter(line -> line.startsWith("turns "))
        .map(line -> line.split(" ", -1))
        .map(words -> new Pair(Double.parseDouble(words[1]), Double.parseDouble(words[2])))
        .toList();
  }

  /** The child process: ours, the peer's and {@code name=value} of parameters. */
  public static void main(String[] args) throws ReflectiveOperationException, InterruptedException {
    List<String> parameters = List.of(args).subList(2, args.length);
    Work ours = Work.of(args[0], parameters);
    Work peer = Work.of(args[1], parameters);
    var _ = pairs(ours, peer, WARM_UP_TURNS, WARM_UP_SECONDS);
    for (Pair pair : pairs(ours, peer, LEAST_TURNS, SECONDS)) {
      System.out.println("turns " + pair.ours + " " + pair.peer);
    }
    System.exit(0); // whatever threads engines have
  }

  private static List<Pair> pairs(Work ours, Work peer, int least, double seconds)
      throws ReflectiveOperationException, InterruptedException {
    List<Pair> pairs = new ArrayList<>();
    long start = System.nanoTime();
    while (pairs.size() < least || System.nanoTime() - start < 1e9 * seconds) {
      if (pairs.size() % 2 == 0) {
        double own = ours.turn();
        pairs.add(new Pair(own, peer.turn()));
      } else {
        double other = peer.turn();
        pairs.add(new Pair(ours.turn(), other));
      }
    }
    return pairs;
  }

  /** A benchmark that is set up. */
  private record Work(Object state, Method benchmark) {
    static Work of(String name, List<String> parameters) throws ReflectiveOperationException {
      int dot = name.lastIndexOf('.');
      Class<?> type = Class.forName(name.substring(0, dot));
      Object state = type.getConstructor().newInstance();
      for (String parameter : parameters) {
        int equals = parameter.indexOf('=');
        set(state, parameter.substring(0, equals), parameter.substring(equals + 1));
      }
      for (Method method : type.getMethods()) {
        if (method.isAnnotationPresent(Setup.class)) {
          call(state, method);
        }
      }
      return new Work(state, type.getMethod(name.substring(dot + 1)));
    }

    /** Sets a parameter, which one of the two may lack. */
    private static void set(Object state, String name, String value) throws IllegalAccessException {
      for (Field field : state.getClass().getFields()) {
        if (field.getName().equals(name)) {
          field.set(state, parsed(field.getType(), value));
        }
      }
    }

    private static Object parsed(Class<?> type, String value) {
      if (type == int.class) {
        return Integer.valueOf(value);
      }
      return type == DType.class ? DType.valueOf(value) : value;
    }

    /** Runs for a while and returns the mean of calls in microseconds. */
    double turn() throws ReflectiveOperationException, InterruptedException {
      Thread.sleep(PAUSE_MILLIS);
      for (int i = 0; i < UNCOUNTED; i++) {
        call(state, benchmark);
      }
      long start = System.nanoTime();
      long nanos = 0;
      int calls = 0;
      while (nanos < TURN_NANOS) {
        call(state, benchmark);
        nanos = System.nanoTime() - start;
        calls++;
      }
      return 1e-3 * nanos / calls;
    }

    private static void call(Object state, Method method) throws ReflectiveOperationException {
      try {
        method.invoke(state);
      } catch (InvocationTargetException e) {
        throw new IllegalStateException(method + " failed", e.getCause());
      }
    }
  }
}
