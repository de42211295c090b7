from processor.logic.native import NativeHandler

new_order: NativeHandler
cancel_order: NativeHandler
modify_order: NativeHandler
