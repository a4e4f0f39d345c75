package io.quern.cpu.asm;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Writes x86-64 machine code, the first operand of an instruction being its target. Vectors are
 * encoded by VEX where that can express the instruction, else by EVEX.
 *
 * <p>The bytes are those of the GNU assembler for the {@link #listing}. Not thread-safe.
 */
public final class Assembler {
  private final ByteArrayOutputStream code = new ByteArrayOutputStream();
  private final Listing listing = new Listing();
  private final List<Reference> references = new ArrayList<>();
  private final Map<Integer, Label> constants = new LinkedHashMap<>();
  private int labels;

  /** A distance to a label, of 32 bits at {@code position}, counted from {@code from}. */
  private record Reference(int position, int from, Label label) {}

  /** A condition for jumps. */
  public enum Condition {
    O(0),
    NO(1),
    B(2),
    AE(3),
    E(4),
    NE(5),
    BE(6),
    A(7),
    S(8),
    NS(9),
    P(10),
    NP(11),
    L(12),
    GE(13),
    LE(14),
    G(15);

    private final int code;

    Condition(int code) {
      this.code = code;
    }

    /** The name of the jump. */
    @Override
    public String toString() {
      return "j" + name().toLowerCase(Locale.ROOT);
    }
  }

  /** Shifts of elements of 32 bits. */
  public enum Shift {
    VPSLLD(6),
    VPSRLD(2),
    VPSRAD(4);

    private final int extension;

    Shift(int extension) {
      this.extension = extension;
    }

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  // ---- places -------------------------------------------------------------------------------

  /** A label that is not bound yet. */
  public Label label() {
    return new Label(labels++);
  }

  /** Binds a label to this place. */
  public void bind(Label label) {
    if (label.position >= 0) {
      throw new IllegalStateException(label + " is bound twice");
    }
    label.position = code.size();
    listing.add(label);
  }

  /** A label that is bound to this place. */
  public Label here() {
    Label label = label();
    bind(label);
    return label;
  }

  /** Fills with instructions that do nothing, up to a multiple of {@code bytes}, a power of two. */
  public void align(int bytes) {
    int rest = -code.size() & (bytes - 1);
    while (rest > 0) {
      int[] nop = NOPS[Math.min(rest, NOPS.length) - 1];
      emit(nop);
      rest -= nop.length;
      for (int each : nop) {
        listing.add(".byte", each);
      }
    }
  }

  /** Instructions of one to eight bytes that do nothing. */
  private static final int[][] NOPS = {
    {0x90},
    {0x66, 0x90},
    {0x0F, 0x1F, 0x00},
    {0x0F, 0x1F, 0x40, 0x00},
    {0x0F, 0x1F, 0x44, 0x00, 0x00},
    {0x66, 0x0F, 0x1F, 0x44, 0x00, 0x00},
    {0x0F, 0x1F, 0x80, 0x00, 0x00, 0x00, 0x00},
    {0x0F, 0x1F, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00}
  };

  /** A float that lies behind the code. */
  public Mem constant(float value) {
    return constantBits(Float.floatToRawIntBits(value));
  }

  /** 32 bits that lie behind the code. */
  public Mem constantBits(int bits) {
    return Mem.at(constants.computeIfAbsent(bits, added -> label()));
  }

  // ---- general registers --------------------------------------------------------------------

  public void mov(Reg to, Reg from) {
    store("mov", 0x89, to, from);
  }

  /** Loads 64 bits. */
  public void mov(Reg to, Mem from) {
    load("mov", 0x8B, to, from);
  }

  /** Stores 64 bits. */
  public void mov(Mem to, Reg from) {
    store("mov", 0x89, to, from);
  }

  /** Loads 32 bits, which it extends by zeros. */
  public void mov32(Reg to, Mem from) {
    general(0x8B, false, to.number(), from);
    listing.add("mov", to.half(), from);
  }

  /** Computes an address. */
  public void lea(Reg to, Mem from) {
    load("lea", 0x8D, to, from);
  }

  public void add(Reg to, Reg from) {
    store("add", 0x01, to, from);
  }

  public void add(Reg to, Mem from) {
    load("add", 0x03, to, from);
  }

  public void sub(Reg to, Reg from) {
    store("sub", 0x29, to, from);
  }

  public void cmp(Reg left, Reg right) {
    store("cmp", 0x39, left, right);
  }

  public void cmp(Reg left, Mem right) {
    load("cmp", 0x3B, left, right);
  }

  public void test(Reg left, Reg right) {
    store("test", 0x85, left, right);
  }

  public void add(Reg to, int value) {
    immediate("add", 0, to, value);
  }

  public void sub(Reg to, int value) {
    immediate("sub", 5, to, value);
  }

  public void cmp(Reg left, int value) {
    immediate("cmp", 7, left, value);
  }

  /** Shifts to the left. */
  public void shl(Reg to, int bits) {
    shift("shl", 4, to, bits);
  }

  /** Shifts to the right, which zeros follow. */
  public void shr(Reg to, int bits) {
    shift("shr", 5, to, bits);
  }

  public void push(Reg from) {
    emitRex(false, 0, 0, from.number());
    emit(0x50 | (from.number() & 7));
    listing.add("push", from);
  }

  public void pop(Reg to) {
    emitRex(false, 0, 0, to.number());
    emit(0x58 | (to.number() & 7));
    listing.add("pop", to);
  }

  public void ret() {
    emit(0xC3);
    listing.add("ret");
  }

  public void jmp(Label to) {
    emit(0xE9);
    emitDistance(to);
    listing.add("jmp", to);
  }

  /** Jumps if the last comparison came out so. */
  public void jump(Condition when, Label to) {
    emit(0x0F, 0x80 | when.code);
    emitDistance(to);
    listing.add(when, to);
  }

  /** A loop that runs while {@code at}, which goes on by so many, is below an end. */
  public void loop(Reg at, Reg end, int step, Runnable body) {
    loop(at, () -> cmp(at, end), step, body);
  }

  /** The same with an end in memory. */
  public void loop(Reg at, Mem end, int step, Runnable body) {
    loop(at, () -> cmp(at, end), step, body);
  }

  private void loop(Reg at, Runnable compare, int step, Runnable body) {
    Label done = label();
    compare.run();
    jump(Condition.AE, done);
    align(32);
    Label next = here();
    body.run();
    add(at, step);
    compare.run();
    jump(Condition.B, next);
    bind(done);
  }

  /** What runs unless a register is 0. */
  public void unlessZero(Reg tested, Runnable body) {
    Label done = label();
    test(tested, tested);
    jump(Condition.E, done);
    body.run();
    bind(done);
  }

  /** Asks for a line of memory in all caches. */
  public void prefetch(Mem from) {
    prefetch(from, 1);
  }

  /** Asks for a line of memory in all caches but the first. */
  public void prefetchNear(Mem from) {
    prefetch(from, 2);
  }

  /** Asks for a line of memory that will be written. */
  public void prefetchToWrite(Mem to) {
    prefetch("prefetchw", 0x0D, 1, to);
  }

  private void prefetch(Mem from, int hint) {
    prefetch("prefetcht" + (hint - 1), 0x18, hint, from);
  }

  private void prefetch(String name, int opcode, int hint, Mem at) {
    emitRex(false, hint, index(at), base(at));
    emit(0x0F, opcode);
    emitMemory(hint, at, 1);
    listing.add(name, at);
  }

  /** Lets what was stored past the caches be seen before what is stored next. */
  public void sfence() {
    emit(0x0F, 0xAE, 0xF8);
    listing.add("sfence");
  }

  /** Asks what the processor can do: RAX and RCX say what about, RAX to RDX have the answer. */
  public void cpuid() {
    emit(0x0F, 0xA2);
    listing.add("cpuid");
  }

  /** Clears the upper parts of the first 16 vector registers, for callers that do not use them. */
  public void vzeroupper() {
    emit(0xC5, 0xF8, 0x77);
    listing.add("vzeroupper");
  }

  /** An instruction whose register is the target. */
  private void load(String name, int opcode, Reg to, Operand from) {
    general(opcode, true, to.number(), from);
    listing.add(name, to, from);
  }

  /** An instruction whose register is the source. */
  private void store(String name, int opcode, Operand to, Reg from) {
    general(opcode, true, from.number(), to);
    listing.add(name, to, from);
  }

  private void general(int opcode, boolean wide, int reg, Operand rm) {
    if (rm instanceof Mem memory) {
      emitRex(wide, reg, index(memory), base(memory));
      emit(opcode);
      emitMemory(reg, memory, 1);
    } else {
      int other = ((Reg) rm).number();
      emitRex(wide, reg, 0, other);
      emit(opcode);
      emitRegister(reg, other);
    }
  }

  private void immediate(String name, int extension, Reg to, int value) {
    boolean small = value == (byte) value;
    emitRex(true, extension, 0, to.number());
    if (!small && to == Reg.RAX) {
      emit(extension << 3 | 5);
    } else {
      emit(small ? 0x83 : 0x81);
      emitRegister(extension, to.number());
    }
    if (small) {
      emit(value & 0xFF);
    } else {
      emit32(value);
    }
    listing.add(name, to, value);
  }

  private void shift(String name, int extension, Reg to, int bits) {
    emitRex(true, extension, 0, to.number());
    emit(bits == 1 ? 0xD1 : 0xC1);
    emitRegister(extension, to.number());
    if (bits != 1) {
      emit(bits);
    }
    listing.add(name, to, bits);
  }

  /** Sets elements of a mask register from the lower 32 bits of a general one. */
  public void kmov(Mask to, Reg from) {
    emitVex(VectorOp.Map.OF, VectorOp.Prefix.HF2, to.number(), 0, from.number(), 0, 0);
    emit(0x92);
    emitRegister(to.number(), from.number());
    listing.add("kmovd", to, from.half());
  }

  /** Sets all elements of a mask register from a general one. */
  public void kmovAll(Mask to, Reg from) {
    emit(0xC4, 0xE1 & ~((from.number() & 8) << 2), 0xFB, 0x92);
    emitRegister(to.number(), from.number());
    listing.add("kmovq", to, from);
  }

  // ---- vectors ------------------------------------------------------------------------------

  /** An instruction with three operands. */
  public void op(VectorOp op, Vec to, Vec left, Operand right) {
    vector(op, op.opcode, to.number(), to, left.number(), right);
    listing.add(op, to, left, right);
  }

  /** An instruction with three operands and a number that says more about it. */
  public void op(VectorOp op, Vec to, Vec left, Operand right, int number) {
    vector(op, op.opcode, to.number(), to, left.number(), right);
    emitNumber(number);
    listing.add(op, to, left, right, number);
  }

  /** An instruction with two operands. */
  public void op(VectorOp op, Vec to, Operand from) {
    vector(op, op.opcode, to.number(), to, 0, from);
    listing.add(op, to, from);
  }

  /** Compares floats; {@code number} is the predicate of the manual. */
  public void compare(Mask to, Vec left, Operand right, int number) {
    vector(VectorOp.VCMPPS, VectorOp.VCMPPS.opcode, to.number(), left, left.number(), right);
    emitNumber(number);
    listing.add("vcmpps", to, left, right, number);
  }

  /** Rounds floats to BF16, which take the lower half of {@code to}. */
  public void toBrainFloats(Vec to, Vec from) {
    VectorOp op = VectorOp.VCVTNEPS2BF16;
    vector(op, op.opcode, to.number(), from, 0, from);
    listing.add(op, to.bits(from.bits() / 2), from);
  }

  /** Shifts the elements of a vector. */
  public void shift(Shift shift, Vec to, Vec from, int bits) {
    vector(VectorOp.VPADDD, 0x72, shift.extension, to, to.number(), from);
    emit(bits);
    listing.add(shift, to, from, bits);
  }

  /** A store. */
  public void op(VectorOp op, Mem to, Vec from) {
    vector(op, op.storing, from.number(), from, 0, to);
    listing.addStore(op, to, from);
  }

  /**
   * An instruction whose field "reg" is {@code reg}, "vvvv" {@code vvvv} and "rm" {@code rm}.
   *
   * @param form the vector that says how many bits there are, and the mask
   */
  private void vector(VectorOp op, int opcode, int reg, Vec form, int vvvv, Operand rm) {
    if (opcode < 0) {
      throw new IllegalArgumentException(op + " has no form with " + rm);
    }
    boolean memory = rm instanceof Mem;
    int base = memory ? base((Mem) rm) : ((Vec) rm).number();
    int index = memory ? index((Mem) rm) : base >> 1 & 8; // X is bit 4 of a register
    boolean evex = needsEvex(op, reg, form, vvvv, rm);
    if (evex) {
      int broadcast = memory && ((Mem) rm).broadcast() != 0 ? 0x10 : 0;
      int length = form.bits() == 512 ? 2 : form.bits() == 256 ? 1 : 0;
      emit(
          0x62,
          (~reg & 8) << 4 | (~index & 8) << 3 | (~base & 8) << 2 | (~reg & 16) | op.map.code,
          (op.tuple == VectorOp.Tuple.LONGS ? 0x80 : 0) | (~vvvv & 15) << 3 | 4 | op.prefix.code,
          (form.zeroing() ? 0x80 : 0)
              | length << 5
              | broadcast
              | (~vvvv & 16) >> 1
              | form.mask().number());
    } else {
      emitVex(op.map, op.prefix, reg, index, base, vvvv, form.bits() == 256 ? 1 : 0);
    }
    emit(opcode);
    if (memory) {
      emitMemory(reg, (Mem) rm, evex ? op.unit(form.bits(), (Mem) rm) : 1);
    } else {
      emitRegister(reg, base);
    }
  }

  private static boolean needsEvex(VectorOp op, int reg, Vec form, int vvvv, Operand rm) {
    return form.bits() == 512
        || reg > 15
        || vvvv > 15
        || form.mask().number() != 0
        || (rm instanceof Vec vec && vec.number() > 15)
        || (rm instanceof Mem memory && memory.broadcast() != 0)
        || op.isAvx512();
  }

  private void emitVex(
      VectorOp.Map map,
      VectorOp.Prefix prefix,
      int reg,
      int index,
      int base,
      int vvvv,
      int length) {
    int last = (~vvvv & 15) << 3 | length << 2 | prefix.code;
    if (map == VectorOp.Map.OF && index < 8 && base < 8) {
      emit(0xC5, (~reg & 8) << 4 | last);
    } else {
      emit(0xC4, (~reg & 8) << 4 | (~index & 8) << 3 | (~base & 8) << 2 | map.code, last);
    }
  }

  // ---- tiles --------------------------------------------------------------------------------

  /** Sets how many rows and bytes the tiles have, and clears them. */
  public void loadTileConfig(Mem from) {
    tile(VectorOp.Prefix.NONE, 0x49, 0, from);
    listing.add("ldtilecfg", from);
  }

  /** Gives the tiles up. */
  public void releaseTiles() {
    tile(VectorOp.Prefix.NONE, 0x49, new Tile(0), new Tile(0), new Tile(0));
    listing.add("tilerelease");
  }

  /** Clears a tile. */
  public void zero(Tile to) {
    tile(VectorOp.Prefix.HF2, 0x49, to, new Tile(0), new Tile(0));
    listing.add("tilezero", to);
  }

  /** Loads a tile; the index register has the bytes from a row to the next. */
  public void load(Tile to, Mem rows) {
    tile(VectorOp.Prefix.HF2, 0x4B, to.number(), rows);
    listing.add("tileloadd", to, rows);
  }

  /** Stores a tile; the index register has the bytes from a row to the next. */
  public void store(Mem rows, Tile from) {
    tile(VectorOp.Prefix.HF3, 0x4B, from.number(), rows);
    listing.add("tilestored", rows, from);
  }

  /**
   * Adds to 32-bit integers the products of unsigned bytes of {@code left} and signed ones of
   * {@code right}, whose rows have fours of bytes of a column side by side.
   */
  public void multiplyBytes(Tile to, Tile left, Tile right) {
    tile(VectorOp.Prefix.H66, 0x5E, to, left, right);
    listing.add("tdpbusd", to, left, right);
  }

  /** The same for signed bytes of {@code left} and unsigned ones of {@code right}. */
  public void multiplySignedBytes(Tile to, Tile left, Tile right) {
    tile(VectorOp.Prefix.HF3, 0x5E, to, left, right);
    listing.add("tdpbsud", to, left, right);
  }

  /**
   * Adds to floats the products of BF16 of {@code left} and {@code right}, whose rows have pairs of
   * elements of a column side by side. Subnormal numbers count as zero.
   */
  public void multiplyBrainFloats(Tile to, Tile left, Tile right) {
    tile(VectorOp.Prefix.HF3, 0x5C, to, left, right);
    listing.add("tdpbf16ps", to, left, right);
  }

  private void tile(VectorOp.Prefix prefix, int opcode, int tile, Mem memory) {
    emitVex(VectorOp.Map.OF38, prefix, tile, index(memory), base(memory), 0, 0);
    emit(opcode);
    emitMemory(tile, memory, 1);
  }

  private void tile(VectorOp.Prefix prefix, int opcode, Tile to, Tile left, Tile right) {
    emitVex(VectorOp.Map.OF38, prefix, to.number(), 0, left.number(), right.number(), 0);
    emit(opcode);
    emitRegister(to.number(), left.number());
  }

  // ---- bytes --------------------------------------------------------------------------------

  private static int base(Mem memory) {
    return memory.base() == null ? 0 : memory.base().number();
  }

  private static int index(Mem memory) {
    return memory.index() == null ? 0 : memory.index().number();
  }

  private void emitRex(boolean wide, int reg, int index, int base) {
    int rex = (wide ? 8 : 0) | (reg & 8) >> 1 | (index & 8) >> 2 | (base & 8) >> 3;
    if (rex != 0) {
      emit(0x40 | rex);
    }
  }

  private void emitRegister(int reg, int rm) {
    emit(0xC0 | (reg & 7) << 3 | (rm & 7));
  }

  /**
   * The bytes for a memory operand.
   *
   * @param unit what displacements of 8 bits are multiples of
   */
  private void emitMemory(int reg, Mem memory, int unit) {
    int field = (reg & 7) << 3;
    if (memory.label() != null) {
      emit(field | 5);
      references.add(new Reference(code.size(), code.size() + 4, memory.label()));
      emit32(memory.displacement());
      return;
    }
    int base = base(memory) & 7;
    int displacement = memory.displacement();
    boolean none = displacement == 0 && base != 5; // RBP and R13 without one mean something else
    boolean small = displacement % unit == 0 && displacement / unit == (byte) (displacement / unit);
    int mod = none ? 0 : small ? 0x40 : 0x80;
    if (memory.index() != null || base == 4) { // RSP and R12 mean that an index follows
      int index = memory.index() == null ? 4 : index(memory) & 7;
      emit(mod | field | 4, Integer.numberOfTrailingZeros(memory.scale()) << 6 | index << 3 | base);
    } else {
      emit(mod | field | base);
    }
    if (mod == 0x40) {
      emit(displacement / unit & 0xFF);
    } else if (mod == 0x80) {
      emit32(displacement);
    }
  }

  /** A number behind the operands; distances count from the end of an instruction. */
  private void emitNumber(int number) {
    if (!references.isEmpty() && references.getLast().from == code.size()) {
      Reference before = references.removeLast();
      references.add(new Reference(before.position, before.from + 1, before.label));
    }
    emit(number);
  }

  private void emitDistance(Label to) {
    references.add(new Reference(code.size(), code.size() + 4, to));
    emit32(0);
  }

  private void emit(int... bytes) {
    for (int each : bytes) {
      code.write(each);
    }
  }

  private void emit32(int value) {
    emit(value & 0xFF, value >> 8 & 0xFF, value >> 16 & 0xFF, value >>> 24);
  }

  /** The instructions in Intel's syntax, as the GNU assembler reads them. */
  public List<String> listing() {
    return listing.text();
  }

  /** Lays the constants behind the code, binds what refers to labels and gives all bytes. */
  public byte[] finish() {
    if (!constants.isEmpty()) {
      align(4);
      constants.forEach(
          (bits, label) -> {
            bind(label);
            emit32(bits);
            listing.add(".long", bits);
          });
      constants.clear();
    }
    ByteBuffer bytes = ByteBuffer.wrap(code.toByteArray()).order(ByteOrder.LITTLE_ENDIAN);
    for (Reference each : references) {
      if (each.label.position < 0) {
        throw new IllegalStateException(each.label + " is not bound");
      }
      int distance = each.label.position - each.from + bytes.getInt(each.position);
      bytes.putInt(each.position, distance);
    }
    return bytes.array();
  }
}
